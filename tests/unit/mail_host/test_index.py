"""The index of identities: each message is found, and namesakes are known."""

from __future__ import annotations

import random

from tests.mail_host import MAX_NAMESAKES, Identities, Index, Match


def test_it_finds_what_was_added_and_nothing_else() -> None:
    rng = random.Random(7)
    expected: dict[str, list[Match]] = {}
    folders = []
    for number in range(5):
        identities, inodes = Identities(), []
        names = [f"message-{rng.randrange(1500)}" for _ in range(rng.choice((0, 1, 700)))]
        others = {name: f"guid-{name}" for name in names if rng.random() < 0.1}
        for ordinal, name in enumerate(names):
            inodes.append(rng.randrange(1, 1 << 63))
            for identity in (name, others.get(name)):
                if identity is not None:
                    match = Match(number, ordinal, inodes[-1])
                    expected.setdefault(identity, []).append(match)
        identities.extend(names[:300], others, 0, inodes[:300])
        identities.extend(names[300:], others, len(names[:300]), inodes[300:])
        folders.append(identities)
    index = Index(folders)
    for identity, matches in expected.items():
        assert sorted(index.find(identity)) == sorted(matches)
    assert index.find("message-1500") == []
    for number, namesakes in enumerate(index.namesakes):
        later = {
            match.ordinal: [m.ordinal for m in ours if m.ordinal < match.ordinal]
            for identity, matches in expected.items()
            if identity.startswith("message-")
            for ours in [[m for m in matches if m.folder == number]]
            for match in ours[1:]
        }
        assert {ordinal: sorted(earlier) for ordinal, earlier in namesakes} == later


def test_namesakes_have_a_bound() -> None:
    identities = Identities()
    identities.extend(["same"] * (MAX_NAMESAKES + 3), {}, 0, range(MAX_NAMESAKES + 3))
    index = Index([identities])
    assert len(index.find("same")) == MAX_NAMESAKES
    assert [len(earlier) for _, earlier in index.namesakes[0]] == [
        *range(1, MAX_NAMESAKES),
        *[MAX_NAMESAKES] * 3,
    ]


def test_an_empty_mailbox_has_an_index() -> None:
    assert Index([]).find("message") == []
    assert Index([Identities()]).namesakes == [[]]
