"""Encryption at rest: of the files of patients, with a key for each study that dies with it."""
