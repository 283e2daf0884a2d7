"""DICOMweb (PS3.18): objects sent, searched and fetched over HTTP."""
