"""Who did what to whose data, and when: durable, in one chain, after DICOM PS3.15 A.5."""
