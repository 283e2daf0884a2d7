"""What is taken off a series before it is kept, and put back on before anything leaves."""

from __future__ import annotations

from contouring.errors.models import ConfigurationError
from contouring.errors.root import OarlockError


class IdentityError(OarlockError):
    """Something whose patient cannot be told with certainty: it does not leave.

    `fault` holds no word of the patient.
    """

    code = "identity-not-restored"

    def __init__(self, fault: str) -> None:
        self.fault = fault
        super().__init__(f"It cannot be said whose this is, so nothing is given out: {fault}")


class TamperedIdentityError(IdentityError):
    """A kept identity that was changed, is another object's, or was made with another key."""

    code = "identity-tampered"


class IdentitySettingsError(ConfigurationError):
    """A key that is missing, damaged, open to others or not this database's, or a wrong profile."""

    code = "identity-settings"

    def __init__(self, fault: str) -> None:
        self.fault = fault
        super().__init__(f"Identities cannot be kept: {fault}")


class MixedIdentitiesError(ConfigurationError):
    """A data folder whose series were kept with another setting of OARLOCK_DEIDENTIFY."""

    code = "mixed-identities"

    def __init__(self, fault: str) -> None:
        self.fault = fault
        super().__init__(f"Series with and without a patient's name must not mix: {fault}")
