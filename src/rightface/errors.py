"""Every error that rightface raises through a public door: one tree, one file.

Each class says what happened, why, and how to mend it. Messages never hold personal data: no
subject reference, no image content, no secret. Knows nothing of the rooms above it.
"""

from __future__ import annotations

from typing import ClassVar


class RightfaceError(Exception):
    """The root. `code` is stable and for programs; the rest is for people.

    Args:
        what: what happened, one sentence.
        why: the reason, if it adds something.
        mend: what the reader can do about it.
    """

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 1
    proof: tuple[str, int] | None = None
    """The permit's id and the decision's entry in the ledger, where it failed under a permit."""

    def __init__(self, what: str, *, why: str = "", mend: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.mend = mend

    def diagnostics(self) -> str:
        """What happened, why, and how to mend it, as a few lines for a terminal."""
        lines = [self.what]
        if self.why:
            lines.append(f"Why: {self.why}")
        if self.mend:
            lines.append(f"To mend it: {self.mend}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.why, self.mend) if part)


class SettingsError(RightfaceError):
    """A setting, a data directory or a command line cannot be used as it stands."""

    code = "settings"
    exit_status = 2


class KeysError(RightfaceError):
    """A key is missing, unreadable, too widely readable or of the wrong form."""

    code = "key"


class CredentialError(RightfaceError):
    """A person's credential cannot be made, or is none."""

    code = "credential"
    exit_status = 2


class ObjectError(RightfaceError):
    """An object of the object store cannot be read: no such object, no store, too large."""

    code = "object"


class ObjectTooLarge(ObjectError):
    """The object has more bytes than may be read of it."""

    code = "object-too-large"


class StorageError(RightfaceError):
    """The database or a file could not be read or written; nothing was acknowledged."""

    code = "storage"


class BackupError(StorageError):
    """A backup cannot be made, opened or restored; or a restored directory is not replayed yet."""

    code = "backup"


# ---------------------------------------------------------------- permits
class PermitError(RightfaceError):
    """A permit is missing, forged, spent, expired or used for something that it does not cover."""

    code = "permit"


class Refused(RightfaceError):
    """The gate refused. `refusal` is the gate's answer, with every reason (law.gate.Refusal)."""

    code = "refused"
    exit_status = 3

    def __init__(self, what: str, *, refusal: object, why: str = "", mend: str = "") -> None:
        super().__init__(what, why=why, mend=mend)
        self.refusal = refusal


# ---------------------------------------------------------------- faces
class ImageError(RightfaceError):
    """An image cannot be used. Subclasses say which way."""

    code = "image"


class ImageEmpty(ImageError):
    """Zero bytes."""

    code = "image-empty"


class ImageTooLarge(ImageError):
    """More bytes, more pixels or a longer side than the limits allow."""

    code = "image-too-large"


class ImageUnsupported(ImageError):
    """Not JPEG, PNG, WebP, BMP, GIF or TIFF."""

    code = "image-unsupported"


class ImageBroken(ImageError):
    """The right format by its first bytes, but damaged or truncated."""

    code = "image-broken"


class VideoError(RightfaceError):
    """A stored video cannot be used. Subclasses say which way."""

    code = "video"


class VideoUnsupported(VideoError):
    """A container or codec that is not read."""

    code = "video-unsupported"


class VideoTooLarge(VideoError):
    """More bytes, minutes, pixels or frames than the limits allow."""

    code = "video-too-large"


class VideoBroken(VideoError):
    """Damaged, cut off, without a frame, or endless to decode."""

    code = "video-broken"


class NoFace(RightfaceError):
    """No face where one is needed."""

    code = "no-face"


class WeightsError(RightfaceError):
    """A model file is missing, damaged, or not the file that the model pack names."""

    code = "weights"


# ---------------------------------------------------------------- law
class LawError(RightfaceError):
    """An instrument, policy, vocabulary word or legal record is not well formed."""

    code = "law"
    exit_status = 2


class NotOnRecord(LawError):
    """There is no legal record of that id."""

    code = "not-on-record"


class LicenceError(LawError):
    """A licence is missing, its signature is broken, or it is out of term or revoked."""

    code = "licence"


class ConsentError(LawError):
    """A consent record cannot be made or found."""

    code = "consent"


# ---------------------------------------------------------------- ledger
class LedgerError(RightfaceError):
    """The ledger does not verify, or a proof cannot be given. The message says where."""

    code = "ledger"
    exit_status = 4


class LedgerFileError(LedgerError):
    """One public file of a ledger is missing or damaged: `where` is its path, `problem` what."""

    code = "ledger-file"

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"The ledger's file '{where}': {problem}")
        self.where = where
        self.problem = problem


# ---------------------------------------------------------------- gallery
class GalleryError(RightfaceError):
    """A gallery operation cannot be done."""

    code = "gallery"


class CollectionNotFound(GalleryError):
    """No such collection belongs to this client."""

    code = "collection-not-found"


class CollectionExists(GalleryError):
    """This client has a collection of that name already."""

    code = "collection-exists"


class PackMismatch(GalleryError):
    """The collection's templates are of another model pack than the one in use."""

    code = "pack-mismatch"


class FaceNotFound(GalleryError):
    """No such face in this collection."""

    code = "face-not-found"


class UserNotFound(GalleryError):
    """No such user in this collection."""

    code = "user-not-found"


class UserExists(GalleryError):
    """The collection has a user of that id already."""

    code = "user-exists"


class UserChanged(GalleryError):
    """A user or its faces changed while a request about them was carried out."""

    code = "user-changed"


class LimitReached(GalleryError):
    """A user has as many faces, or a collection as many tags, as it may have."""

    code = "limit-reached"


class JobNotFound(GalleryError):
    """No such job belongs to this client."""

    code = "job-not-found"


class JobLimit(GalleryError):
    """The client has as many jobs waiting or under way as it may have."""

    code = "job-limit"


class JobMismatch(GalleryError):
    """The token of an earlier job came with another request."""

    code = "job-mismatch"


class ReviewError(GalleryError):
    """A review cannot be opened, decided or found."""

    code = "review"


class ReviewNotFound(ReviewError):
    """No such review, or none of this client."""

    code = "review-not-found"


# ---------------------------------------------------------------- wire
class RequestError(RightfaceError):
    """A request is not well formed. `code` becomes the wire's error type."""

    code = "request"


class Overloaded(RequestError):
    """There is no room for this just now; nothing was done. Try again."""

    code = "overloaded"


class PageTokenError(RequestError):
    """A page token is not one that this instance gave."""

    code = "page-token"


class TokenReused(RequestError):
    """A request token came back with other parameters."""

    code = "token-reused"
