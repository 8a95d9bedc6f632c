"""Every error that postlens raises, as one tree.

PostlensError
├── UsageError                   wrong call or settings (exit code 2)
│   ├── SettingsError            a setting has a value that cannot be used
│   ├── MissingExtraError        an optional part is not installed
│   ├── UnknownNameError         no task, model, person or creator of that name
│   └── SplitError               images cannot be divided for training as asked
├── ShapeError                   an array or record does not have the promised form
├── SourceError                  posts cannot be read from a source
│   ├── SourceNotFoundError      the path is not there or cannot be opened
│   ├── EmptySourceError         nothing to analyze in it
│   ├── TableError               a table lacks what is needed
│   └── RowError                 one row of a table cannot be read
├── MediaError                   one media file cannot be used
│   ├── MediaNotFoundError       no such file
│   ├── UnreadableMediaError     the file exists but cannot be opened
│   ├── UnsupportedMediaError    the content is no known image or video
│   ├── EmptyMediaError          zero bytes, or no frame at all
│   ├── DecodeError              the content is damaged
│   ├── PartialMediaError        only a part could be decoded; the answers are about that part
│   ├── NoVideoStreamError       a container without a video stream
│   ├── TooLargeError            over the pixel, byte or duration limit
│   └── FetchError               a URL could not be downloaded
│       ├── DownloadNotAllowedError
│       └── AddressRefusedError  not http(s), or a private or link-local address
├── ModelError                   a model cannot be used
│   └── ModelIntegrityError      its file does not match its card
├── StoreError                   the database cannot be used
│   ├── StoreVersionError        written by a newer postlens
│   ├── StoreLockedError         another process writes to it
│   └── StoreWriteError          nothing more can be written (disk full, read-only)
├── CacheError                   a cache of training images cannot be used
├── DivergedError                a training has no finite loss any more
├── ForgottenError               the person or creator was forgotten on request
└── NotEnoughDataError           a conclusion would rest on too little

A message says what was expected, what came, and what to do next.
"""


class PostlensError(Exception):
    """Base of all errors that postlens raises."""


class UsageError(PostlensError):
    """The call or the settings are wrong."""


class SettingsError(UsageError):
    """A setting has a value that cannot be used."""


class MissingExtraError(UsageError):
    """An optional part of postlens is not installed."""

    def __init__(self, extra: str, *, needed_for: str, package: str | None = None) -> None:
        """`package`: what to install where it is not an extra of postlens."""
        super().__init__(f'{needed_for} needs an optional part: pip install "{package or f"postlens[{extra}]"}"')
        self.extra = extra


class UnknownNameError(UsageError):
    """No task, model, person or creator has the given name."""


class SplitError(UsageError):
    """Images cannot be divided into parts for training, validation and test as asked."""


class ShapeError(PostlensError, ValueError):
    """An array or record does not have the promised form."""


class SourceError(PostlensError):
    """Posts cannot be read from a source."""


class SourceNotFoundError(SourceError):
    """The source's path is not there or cannot be opened."""


class EmptySourceError(SourceError):
    """The source holds nothing to analyze."""


class TableError(SourceError):
    """A table lacks what is needed to read posts from it."""


class RowError(SourceError):
    """One row of a table cannot be read."""


class MediaError(PostlensError):
    """One media file cannot be used."""


class MediaNotFoundError(MediaError):
    """There is no such file."""


class UnreadableMediaError(MediaError):
    """The file exists but cannot be opened."""


class UnsupportedMediaError(MediaError):
    """The content is no known image or video."""


class EmptyMediaError(MediaError):
    """The file has zero bytes, or not one frame."""


class DecodeError(MediaError):
    """The content is damaged."""


class PartialMediaError(MediaError):
    """Only a part of the file could be decoded. Told as a failure, but the file counts as looked at."""


class NoVideoStreamError(MediaError):
    """The container has no video stream."""


class TooLargeError(MediaError):
    """The media is over the pixel, byte or duration limit."""


class FetchError(MediaError):
    """A URL could not be downloaded."""


class DownloadNotAllowedError(FetchError):
    """Downloads were not switched on."""


class AddressRefusedError(FetchError):
    """The URL is not http(s), or leads to a private, loopback or link-local address."""


class ModelError(PostlensError):
    """A model cannot be used."""


class ModelIntegrityError(ModelError):
    """A model file does not match the sha256 on its card."""


class StoreError(PostlensError):
    """The database cannot be used."""


class StoreVersionError(StoreError):
    """The store was written by a newer postlens."""


class StoreLockedError(StoreError):
    """Another process is writing to the store."""


class StoreWriteError(StoreError):
    """Nothing more can be written to the store: the disk is full or read-only."""


class CacheError(PostlensError):
    """A cache of training images cannot be used."""


class DivergedError(PostlensError):
    """A training has no finite loss any more; what it had learnt before is kept."""


class ForgottenError(PostlensError):
    """The person or creator was forgotten on request and is not brought back."""


class NotEnoughDataError(PostlensError):
    """A conclusion would rest on too little data."""
