"""Which study or series a UID of audit records, logs or workers' reports stands for."""

from __future__ import annotations

from sqlalchemy import Engine, or_, select

from service.identities.identity_key import IdentityKey
from service.identities.sealed_words import SealedWords
from workers.tables import arrivals, jobs


def reveal_uid(engine: Engine, key: IdentityKey, hidden: str) -> str | None:
    """The UID that it came with; None where nothing is kept under this one."""
    words = SealedWords(key)
    with engine.connect() as connection:
        for table, text in ((jobs, jobs.c.series_description), (arrivals, arrivals.c.description)):
            columns = table.c.study_instance_uid, table.c.series_instance_uid
            query = select(*columns, text.label("text"))
            query = query.where(or_(*(column == hidden for column in columns))).limit(1)
            row = connection.execute(query).one_or_none()
            if row is None:
                continue
            names = words.open_names(row.text, row.series_instance_uid)
            is_series = row.series_instance_uid == hidden
            return names.series_instance_uid if is_series else names.study_instance_uid
    return None
