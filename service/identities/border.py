"""Which border a server has: none, or one that the patient's name does not cross."""

from __future__ import annotations

from sqlalchemy import Engine

from contouring.errors import IdentitySettingsError, MixedIdentitiesError
from service.identities.deidentifier import Deidentifier
from service.identities.identity_key import OTHERS, IdentityKey, read_key_file
from service.identities.plain_choice import PlainChoice
from service.identities.profile import read_profile
from service.identities.sealed_identities import Places, SealedIdentities
from workers.identities import Identities
from workers.identity_store import PLAIN_PROFILE, IdentityStore
from workers.instance_files import InstanceFiles
from workers.job_store import JobStore
from workers.series_store import SeriesStore
from workers.settings import Settings

ANEW = (
    "begin with another data folder and database (OARLOCK_DATA, OARLOCK_DATABASE_URL), or, while "
    "nothing is kept, stop every service and DICOM node and run `oarlock identities forget-mode`."
)


def open_identities(
    settings: Settings, engine: Engine, files: InstanceFiles, series: SeriesStore
) -> Identities:
    """What OARLOCK_DEIDENTIFY asks for; the database is at its newest schema.

    Raises `IdentitySettingsError`, and `MixedIdentitiesError` where series were kept otherwise.
    """
    store = IdentityStore(engine)
    if not settings.deidentify:
        _check_mode(store.agree(None, ""), None, settings)
        return PlainChoice(lambda: _check_mode(store.agree(PLAIN_PROFILE, ""), None, settings))
    if settings.encryption_key_file is not None:
        raise IdentitySettingsError(
            "OARLOCK_DEIDENTIFY and OARLOCK_ENCRYPTION_KEY_FILE do not work together: unset one of "
            "them. Where workers stand elsewhere, encrypt the disk that they share."
        )
    profile = read_profile(settings.deidentify)
    key = open_key(settings)
    _check_staging(settings)
    deidentifier = Deidentifier(key, profile)
    _check_mode(store.agree(profile.name, key.mark), (profile.name, key.mark), settings)
    places = Places(settings.data / "staging", settings.reserve_bytes, series.staging)
    return SealedIdentities(key, deidentifier, store, JobStore(engine), files, places)


def check_identities(settings: Settings, engine: Engine) -> None:
    """Raise as `open_identities` does, before anything else begins."""
    series = SeriesStore(settings.data, settings.incoming_folder)
    open_identities(settings, engine, InstanceFiles(settings.data), series)


def open_key(settings: Settings) -> IdentityKey:
    """The site's key; raises `IdentitySettingsError`."""
    return read_key_file(settings.identity_key_file)


def hide_patient(patient_id: str, settings: Settings) -> str:
    """A patient's ID as this server's audit records make their pseudonym of it."""
    if not settings.deidentify:
        return patient_id
    return open_key(settings).hide_patient(patient_id)


def _check_mode(
    known: tuple[str, str] | None, wanted: tuple[str, str] | None, settings: Settings
) -> None:
    if known == wanted:
        return
    if known is None:
        raise MixedIdentitiesError(
            f"OARLOCK_DEIDENTIFY is {settings.deidentify!r}, and series are here that were kept "
            f"without it, or records of them: {ANEW}"
        )
    if wanted is None or wanted[0] != known[0]:
        raise MixedIdentitiesError(
            f"series are kept here with OARLOCK_DEIDENTIFY={known[0]}: set it so in every service "
            f"and DICOM node. To change it, {ANEW}"
        )
    raise IdentitySettingsError(
        f"{settings.identity_key_file} is not the key with which series are kept here: set "
        "OARLOCK_IDENTITY_KEY_FILE to that one. Without it nobody can say whose they are. For "
        f"another key, {ANEW}"
    )


def _check_staging(settings: Settings) -> None:
    if settings.staging is None:
        raise IdentitySettingsError(
            "what comes in lies for a moment as it came: set OARLOCK_STAGING to a folder that only "
            "the service can read."
        )
    if settings.staging.stat().st_mode & OTHERS:
        raise IdentitySettingsError(f"{settings.staging} is open to others: chmod 700 it.")
    data, staging = settings.data.resolve(), settings.staging.resolve()
    key = settings.identity_key_file
    inside = [
        name
        for name, path in (("OARLOCK_STAGING", staging), ("OARLOCK_IDENTITY_KEY_FILE", key))
        if path is not None and path.resolve().is_relative_to(data)
    ]
    if inside:
        raise IdentitySettingsError(
            f"{' and '.join(inside)} lies in the data folder {data}, which workers can read: put "
            "it elsewhere."
        )
    if data.is_relative_to(staging):
        raise IdentitySettingsError(
            f"OARLOCK_STAGING is {staging}, which holds the data folder {data}: name a folder that "
            "is for nothing else."
        )
