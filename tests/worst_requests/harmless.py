"""The operations that need no row in the table of worst requests, with the reason for each."""

_POINT = "It reads or writes one record of bounded size, by its key."
_SOURCE = "It is replaceModuleSource with another statement."
_FEW = "It answers a page of at most 1,000 records and 4 MiB, or the whole list in pieces, from an index."

HARMLESS = {
    "getHealth": "It is what the others are held to.",
    "getStatus": "It counts what waits to be indexed in a reader: once a second, 100,000 sessions of a workspace.",
    "getLive": "It reads nothing.",
    "completeSession": "It is startSession with another status.",
    "failSession": "It is startSession with another status.",
    "terminateSession": "It is startSession with another status.",
    "resumeSession": "It is startSession with another status.",
    "getSessionProfile": _POINT,
    "getActiveProfile": _POINT,
    "deactivateProfile": _POINT,
    "getProfile": _POINT,
    "updateProfile": _POINT,
    "deleteProfile": _POINT,
    "activateProfile": _POINT,
    "copyProfile": _POINT,
    "getCollection": "It reads one record of at most some MiB, by its key.",
    "listCollections": _FEW,
    "getModule": _POINT,
    "createModuleSource": _SOURCE,
    "deleteModuleSource": _SOURCE,
    "listFiles": _FEW,
    "deleteFile": "It looks for at most 11 messages by an index; the bytes go in pieces, as those of sessions.",
    "createAmplifiedDirectory": _POINT,
    "scanAmplifiedDirectories": "It reads what people have made on the machine's disk, in pieces of 200 markers.",
    "getAmplifiedDirectory": _POINT,
    "updateAmplifiedDirectory": _POINT,
    "deleteAmplifiedDirectory": _POINT,
}
