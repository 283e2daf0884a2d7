"""The DICOM conformance statement (PS3.2), made of the tables that the code itself works by."""
