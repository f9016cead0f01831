-- Version 1. A room has a row from its first message on; until then its epoch is the house's.

CREATE TABLE house (
    epoch TEXT NOT NULL,
    -- Rooms forgotten so far: one that comes again has another epoch.
    forgotten INTEGER NOT NULL
) STRICT;

CREATE TABLE rooms (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    epoch TEXT NOT NULL,
    -- When something was said there last.
    used INTEGER NOT NULL
) STRICT;
CREATE INDEX rooms_used ON rooms (used);

CREATE TABLE messages (
    room INTEGER NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    o INTEGER NOT NULL,
    user INTEGER NOT NULL,
    nick TEXT NOT NULL,
    ts INTEGER NOT NULL,
    cid TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (room, o)
) STRICT, WITHOUT ROWID;

-- Bans, mutes and paces; of the house where the room is ''.
CREATE TABLE sanctions (
    room TEXT NOT NULL,
    kind TEXT NOT NULL,
    user INTEGER NOT NULL,
    sanction TEXT NOT NULL,
    PRIMARY KEY (room, kind, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ruling TEXT NOT NULL
) STRICT;

PRAGMA user_version = 1;
