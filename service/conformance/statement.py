"""docs/conformance.md: the statement, chapter by chapter as PS3.2 Annex N orders them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydicom.datadict import tag_for_keyword
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import StoragePresentationContexts

from contouring.multiframe import SLICE_CLASSES
from contouring.provenance import IMPLEMENTATION_UID, MANUFACTURER
from contouring.segmentation import SERIES_NUMBER as SEGMENTATION_SERIES_NUMBER
from contouring.transfer_syntaxes import LOSSY, READABLE
from service.conformance.created_objects import STRUCTURE_SET
from service.dicomweb.media_types import DICOM, DICOM_JSON, DICOM_XML
from service.dicomweb.queries import RETURNED, Level
from service.dicomweb.stow_answer import CANNOT_UNDERSTAND, OUT_OF_RESOURCES, PROCESSING_FAILURE
from service.dimse import node, session
from workers.sender_counts import STUDY_ROOT_FIND
from workers.settings import Settings

STRUCTURE_SET_STORAGE = UID("1.2.840.10008.5.1.4.1.1.481.3")
SEGMENTATION_STORAGE = UID("1.2.840.10008.5.1.4.1.1.66.4")
VERIFICATION = UID("1.2.840.10008.1.1")
STORAGE_COMMITMENT = UID("1.2.840.10008.1.20.1")

Rows = Iterable[Sequence[str]]


def build_statement() -> str:
    """The whole page."""
    chapters = (_head, _overview, _dimse, _store_scp, _dicomweb, _objects, _text_and_security)
    return "\n".join(chapter() for chapter in chapters)


def _head() -> str:
    return """# DICOM conformance statement

Of Oarlock, in the order of DICOM PS3.2 Annex N. Written by `python -m service.conformance` from the
tables that the code works by; the test suite fails when the page and these differ.
"""


def _overview() -> str:
    services = [
        ("Verification", "yes", "yes"),
        ("Storage of any class; CT is kept, the rest acknowledged", "", "yes"),
        ("Storage of RT Structure Set and Segmentation", "yes", ""),
        ("Storage Commitment Push Model", "", "yes"),
        ("Study Root Query/Retrieve, C-FIND", "yes, to count a sender's objects", ""),
        ("STOW-RS", "yes, with results", "yes"),
        ("QIDO-RS", "yes, to count a sender's objects", "yes"),
        ("WADO-RS", "", "yes"),
    ]
    return f"""## 1 Overview

Oarlock takes planning CTs from modalities, archives and planning systems, contours organs at risk
and gives the contours back as RT Structure Sets. It is no archive: objects are kept until some time
after their results were delivered ([operations](operations.md)), so that a sender must not delete
its own.

{_table(("Service", "As user", "As provider"), services)}

Media interchange: none.
"""


def _dimse() -> str:
    return f"""## 2 DIMSE

### 2.1 Application entities

One application entity receives (`oarlock dimse`, or within `oarlock serve`); what is sent goes out
under the calling AE title of its destination ([destinations](destinations.md)).

{_table(("Parameter", "Value"), _list_association_parameters())}

A calling AE title, called AE title or address that the site's file of senders does not know is
rejected ([receiving](receiving.md)).

### 2.2 Presentation contexts accepted

Every storage class is accepted, private ones too: the {len(StoragePresentationContexts)} of
pynetdicom's tables and any that is not in them. Kept and contoured are:

{_table(("SOP class", "UID"), _list_classes(SLICE_CLASSES))}

Others that are accepted:

{_table(("SOP class", "UID"), _list_classes((VERIFICATION, STORAGE_COMMITMENT)))}

Pixels are read in these transfer syntaxes; a series in another one is refused, and told why:

{_table(("Transfer syntax", "UID", "Told of"), _list_transfer_syntaxes())}

### 2.3 Presentation contexts proposed

{_table(("SOP class", "UID", "Transfer syntaxes"), _list_proposed())}
"""


def _store_scp() -> str:
    statuses = [
        (session.SUCCESS, "The object is on the disk and recorded; or it is no CT and not kept"),
        (session.PROCESSING_FAILURE, "The disk or the database failed: send it again"),
        (session.OUT_OF_RESOURCES, "No room is left, or the object is too large"),
        (session.DOES_NOT_MATCH, "Class or instance of command and data set differ"),
        (session.CANNOT_UNDERSTAND, "The data set cannot be read or names no study or series"),
    ]
    return f"""### 2.4 C-STORE as provider

Nothing is coerced: data sets are kept as they were sent, in their transfer syntax. The same object
again is a success and kept once. One with the same SOP Instance UID and other contents is kept
apart, never mixed with the first, and told of.

{_table(("Status", "When"), [(f"{status:04X}", when) for status, when in statuses])}

### 2.5 Storage commitment as provider

Success for objects that are kept at that moment; failure 0112 (no such object instance) for all
others, those that were acknowledged and not kept among them; 0119 (class-instance conflict) where
the class differs.
"""


def _dicomweb() -> str:
    statuses = [
        ("200", "All objects are stored, or known already"),
        ("202", "Some are; FailedSOPSequence and OtherFailuresSequence say which are not"),
        ("400", "The body is broken, or holds no object"),
        ("403", "The site's file of senders does not know the address"),
        ("406", f"Neither {DICOM_JSON} nor {DICOM_XML} is accepted"),
        ("409", "None is stored"),
        ("413", "More than the server's limits"),
        ("415", f'The body is neither multipart/related; type="{DICOM}" nor {DICOM}'),
        ("507", "No room is left"),
    ]
    reasons = [
        (OUT_OF_RESOURCES, "Out of resources"),
        (
            PROCESSING_FAILURE,
            "The storage failed, or the object is of another study than the URL's",
        ),
        (CANNOT_UNDERSTAND, "It cannot be read or names no study, series, class or instance"),
    ]
    levels = [(level.value, ", ".join(keywords)) for level, keywords in RETURNED.items()]
    assert len(levels) == len(Level)
    return f"""## 3 DICOMweb

Root: `/dicom-web`. [dicomweb](dicomweb.md) has examples.

### 3.1 STOW-RS

`POST /studies` and `POST /studies/{{study}}`. Answers are {DICOM_JSON} or, where it is asked for,
{DICOM_XML}.

{_table(("Status", "When"), statuses)}

{_table(("FailureReason", "When"), [(f"{reason:04X}", when) for reason, when in reasons])}

### 3.2 QIDO-RS

Studies, series and instances, at every level of PS3.18 Table 10.6.1-1. Any attribute ahead of
pixels and contours, up to (3006,0009), can be matched but those in sequences: single values, lists
of UIDs, wild cards, ranges of dates and times; names match whatever their case.
`includefield`, `limit`, `offset`; `fuzzymatching`
is not done.

{_table(("Level", "Returned, beside counts and RetrieveURL"), levels)}

### 3.3 WADO-RS

Studies, series, instances and their metadata. Objects are sent in the transfer syntax in which they
are kept: `transfer-syntax=*` gets any, none named gets those that are kept uncompressed, and
another one is answered with 406. No rendering, no frames, no bulk data; metadata has no pixels.
"""


def _objects() -> str:
    rows = sorted(
        ((f"({tag_for_keyword(keyword) or 0:08X})", keyword, source))
        for keyword, source in STRUCTURE_SET.items()
    )
    named = [(f"({tag[1:5]},{tag[5:9]})", keyword, source) for tag, keyword, source in rows]
    return f"""## 4 Objects created

{_table(("SOP class", "UID"), _list_classes((STRUCTURE_SET_STORAGE, SEGMENTATION_STORAGE)))}

A Segmentation is written where a template asks for it, in series {SEGMENTATION_SERIES_NUMBER};
patient, study and frame of reference are those of the structure set.

### 4.1 RT Structure Set

{_table(("Tag", "Attribute", "Value"), named)}

No private attribute is written. Codes are those of the model's card and of TG-263.
"""


def _text_and_security() -> str:
    return """## 5 Character sets

All that PS3.3 C.12.1.1.2 defines are read. Structure sets keep the CT's character set and the bytes
of its values; where these cannot be written in it, ISO_IR 192.

## 6 Security

TLS 1.2 and 1.3 by option, for DIMSE with certificates on both sides (BCP 195, PS3.15 B.9 and B.10).
Senders by DIMSE are known by AE titles, address and certificate ([receiving](receiving.md)); each
request by HTTP shows a key or an OpenID Connect token ([access](access.md)). Outgoing connections
go only to addresses of the administrator's file, over TLS where it says so.

Audit trail: the events of PS3.15 A.5 in [a table](audit.md#events); messages by the schema of
A.5.1.1 go to an audit repository by syslog over TLS (A.6) where the site names one. A patient is
told by a pseudonym, and a query by the names of its attributes.

De-identification: none, unless the site has turned it on for [workers
elsewhere](deidentification.md). Then what is kept follows the Basic Application Level
Confidentiality Profile (PS3.15 E.2), and what leaves has all that came in.
"""


def _list_association_parameters() -> Rows:
    settings = Settings.model_fields
    yield "Application context", "1.2.840.10008.3.1.1.1"
    yield "AE title", f"{settings['ae_title'].default} (OARLOCK_AE_TITLE)"
    yield "Implementation class UID", str(IMPLEMENTATION_UID)
    yield "Implementation version name", MANUFACTURER.upper()
    yield "Largest PDU received", f"{node.PDU_BYTES} bytes"
    most = settings["dimse_associations"].default
    yield "Associations at once", f"{most} (OARLOCK_DIMSE_ASSOCIATIONS)"
    yield "Time for an association request to come", f"{node.ACSE_SECONDS:g} s"
    yield "Time for one PDU to arrive", f"{node.DIMSE_SECONDS:g} s"
    yield "Time of silence that ends an association", f"{node.IDLE_SECONDS:g} s"
    yield "Asynchronous operations", "none"


def _list_classes(uids: Iterable[str]) -> Rows:
    return sorted((UID(uid).name, str(uid)) for uid in uids)


def _list_transfer_syntaxes() -> Rows:
    return sorted((UID(uid).name, str(uid), "as lossy" if uid in LOSSY else "") for uid in READABLE)


def _list_proposed() -> Rows:
    both = f"{ExplicitVRLittleEndian.name}, {ImplicitVRLittleEndian.name}"
    for uid in (STRUCTURE_SET_STORAGE, VERIFICATION, STUDY_ROOT_FIND):
        yield uid.name, str(uid), both


def _table(headings: Sequence[str], rows: Rows) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
