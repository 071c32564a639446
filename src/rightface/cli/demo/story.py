"""The story that the demonstration tells. Each step says whether it came out as told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rightface.cli.demo.stage import Key, Stage, degraded, eileen_collins, grace_hopper
from rightface.cli.output import counted

NOTICE = (
    "We make a template of your face to open the door of our office. We keep it for one year at "
    "most, or until you tell us to stop. We sell it to nobody.\n"
)


@dataclass(frozen=True)
class Step:
    """One step of the transcript."""

    chapter: str
    asked: str
    answer: str
    why: str
    as_told: bool


@dataclass
class Cast:
    """What later chapters need of earlier ones."""

    keys: dict[str, Key] = field(default_factory=dict)
    vkey: str = ""
    face_id: str = ""
    refused_at: int = -1


def tell(stage: Stage) -> Iterator[Step]:
    """Play the story on `stage`; yields each step as it happens."""
    cast = Cast()
    yield from _an_instance(stage, cast)
    with stage.serving():
        yield from _enrolment(stage, cast)
        yield from _search(stage, cast)
        yield from _refusals(stage, cast)
        yield from _withdrawal(stage, cast)
        yield from _proof(stage, cast)


# ---------------------------------------------------------------- 1
def _an_instance(stage: Stage, cast: Cast) -> Iterator[Step]:
    chapter = "1. An instance, and three licences"
    made = stage.command(
        "init", "--sector", "private-entity", "--jurisdiction", "US-IL", "--keep-crops", "--yes"
    )
    cast.vkey = made.value["ledger_vkey"]
    yield Step(
        chapter,
        made.line,
        f"Keys, database, ledger; {len(made.value['instruments'])} instruments loaded.",
        f"The ledger's public key, to be pinned by whoever wants to check: {cast.vkey}",
        made.status == 0,
    )
    licences = {
        "acme": (
            *("--sector", "private-entity", "--jurisdiction", "US-IL"),
            *("--purpose", "access-control", "--gallery", "staff*"),
            *("--operation", "enroll", "--operation", "verify-1to1"),
            *("--operation", "identify-1toN"),
        ),
        "sfpd": (
            *("--sector", "law-enforcement-local", "--jurisdiction", "US-CA-SF"),
            *("--purpose", "criminal-investigation", "--gallery", "mugshots"),
            *("--operation", "identify-1toN"),
        ),
        "city-hall": (
            *("--sector", "government-agency", "--jurisdiction", "US-TX"),
            *("--for", "Metro PD:law-enforcement-local"),
            *("--purpose", "access-control", "--gallery", "visitors"),
            *("--operation", "identify-1toN"),
        ),
    }
    for client, terms in licences.items():
        issued = stage.command(
            "licence", "issue", "--client", client, *terms, "--until", "2030-01-01"
        )
        cast.keys[client] = Key(issued.value["access_key_id"], issued.value["secret_access_key"])
        yield Step(
            chapter,
            issued.line,
            f"Licence {issued.value['licence_id']}, access key {issued.value['access_key_id']}.",
            "Signed: what it grants cannot be changed unseen. The secret is sealed at rest.",
            issued.status == 0,
        )
    adopted = stage.command("law", "adopt", "microsoft-police-commitment-2020")
    yield Step(
        chapter,
        adopted.line,
        "The operator binds itself: no face recognition by or for police in the United States.",
        "A commitment binds once it is adopted; a statute binds anyway.",
        adopted.status == 0,
    )


# ---------------------------------------------------------------- 2
def _enrolment(stage: Stage, cast: Cast) -> Iterator[Step]:
    chapter = "2. No consent, no enrolment"
    acme = stage.client(cast.keys["acme"])
    made = acme.create_collection(CollectionId="staff")
    yield Step(
        chapter,
        "boto3: create_collection(CollectionId='staff')",
        f"{made['StatusCode']} {made['CollectionArn']}",
        "The licence covers galleries named 'staff*'.",
        made["StatusCode"] == 200,
    )
    asked = "boto3: index_faces('staff', grace_hopper.jpg, ExternalImageId='grace')"
    yield _refused(
        chapter, asked, lambda: _enrol(acme), must_name=("740 ILCS 14", "us-il-bipa-2008")
    )
    notice = stage.data.parent / "notice.md"
    notice.write_text(NOTICE, "utf-8")
    agreed = stage.command(
        *("consent", "record", "--subject", "grace", "--purpose", "access-control"),
        *("--gallery", "staff*", "--notice", str(notice), "--retention-days", "365"),
    )
    yield Step(
        chapter,
        agreed.line.replace(str(notice), "notice.md"),
        f"Consent {agreed.value['consent_id']}, kept for 365 days at most.",
        "The notice's digest is on record, and how the release was given.",
        agreed.status == 0,
    )
    enrolled = _enrol(acme)
    records = enrolled["FaceRecords"]
    cast.face_id = records[0]["Face"]["FaceId"] if records else ""
    yield Step(
        chapter,
        asked,
        f"Enrolled as face {cast.face_id}.",
        f"Permit {_header(enrolled, 'permit')}, ledger index {_header(enrolled, 'ledger-index')}.",
        len(records) == 1,
    )


def _enrol(client: Any) -> Any:
    return client.index_faces(
        CollectionId="staff", Image={"Bytes": grace_hopper()}, ExternalImageId="grace"
    )


# ---------------------------------------------------------------- 3
def _search(stage: Stage, cast: Cast) -> Iterator[Step]:
    chapter = "3. A degraded photograph finds her; a stranger's finds nobody"
    acme = stage.client(cast.keys["acme"])
    poor = degraded(grace_hopper())
    found = acme.search_faces_by_image(CollectionId="staff", Image={"Bytes": poor})
    matches = found["FaceMatches"]
    nobody: Any = {"Similarity": 0.0, "Face": {"FaceId": ""}}
    best = matches[0] if matches else nobody
    rate = _header(found, "match-fmr")
    beyond = " (extrapolated beyond what the calibration shows)" if rate.endswith("*") else ""
    yield Step(
        chapter,
        "boto3: search_faces_by_image('staff', half size, turned 8°, JPEG quality 40)",
        f"One candidate: similarity {best['Similarity']:.2f}, face {best['Face']['FaceId']}.",
        f"False match rate {rate.rstrip('*')}{beyond}: so often do two different people score this "
        "high. It is a lead, not an identification.",
        best["Face"]["FaceId"] == cast.face_id and len(matches) == 1,
    )
    stranger = acme.search_faces_by_image(CollectionId="staff", Image={"Bytes": eileen_collins()})
    yield Step(
        chapter,
        "boto3: search_faces_by_image('staff', Eileen Collins)",
        f"{len(stranger['FaceMatches'])} candidates.",
        f"Threshold: false match rate {_header(stranger, 'fmr')} (similarity 80, the default).",
        not stranger["FaceMatches"],
    )
    for name, other, expected in (
        ("the degraded copy", poor, 1),
        ("Eileen Collins", eileen_collins(), 0),
    ):
        pair = acme.compare_faces(
            SourceImage={"Bytes": grace_hopper()}, TargetImage={"Bytes": other}
        )
        told = ", ".join(f"similarity {m['Similarity']:.2f}" for m in pair["FaceMatches"])
        yield Step(
            chapter,
            f"boto3: compare_faces(Grace Hopper, {name})",
            f"{len(pair['FaceMatches'])} match{'' if expected == 1 else 'es'}"
            f"{': ' + told if told else ''}; {len(pair['UnmatchedFaces'])} unmatched.",
            "1:1 agrees with 1:N.",
            len(pair["FaceMatches"]) == expected,
        )


# ---------------------------------------------------------------- 4
def _refusals(stage: Stage, cast: Cast) -> Iterator[Step]:
    chapter = "4. The police, and those who ask for them"
    police = stage.client(cast.keys["sfpd"])
    headers: dict[str, str] = {}
    yield _refused(
        chapter,
        "boto3, as San Francisco's police: search_faces_by_image('mugshots', a photograph)",
        lambda: police.search_faces_by_image(
            CollectionId="mugshots", Image={"Bytes": eileen_collins()}
        ),
        must_name=("us-ca-sf-19b", "19B.2"),
        headers=headers,
    )
    cast.refused_at = int(headers.get("x-rightface-ledger-index", "-1"))
    city = stage.client(cast.keys["city-hall"])
    yield _refused(
        chapter,
        "boto3, as a city hall acting for Metro PD: search_faces_by_image('visitors', …)",
        lambda: city.search_faces_by_image(
            CollectionId="visitors", Image={"Bytes": eileen_collins()}
        ),
        must_name=("microsoft-police-commitment-2020", "Metro PD"),
    )
    questions = stage.data.parent / "questions.yaml"
    questions.write_text(json.dumps(_QUESTIONS), "utf-8")  # JSON is YAML
    decided = stage.command("law", "decide", "--requests", str(questions))
    outcomes = {each["id"]: each for each in decided.value}
    for who in ("police", "city-hall"):
        now, then = outcomes[f"{who}-today"], outcomes[f"{who}-2018"]
        yield Step(
            chapter,
            f"rightface law decide: the same question of the {who}, today and as of 2018-01-01",
            f"today: {now['outcome']}; 2018-01-01: {then['outcome']}"
            + (f" (missing: {', '.join(then['missing'])})" if then["missing"] else ""),
            _what_changed(now, then),
            now["outcome"] == "deny" and then["outcome"] != "deny",
        )


_QUESTIONS = [
    {"id": f"{who}-{when}", **asked, **({"as_of": "2018-01-01"} if when == "2018" else {})}
    for who, asked in {
        "police": {
            "actor": "law-enforcement-local",
            "jurisdiction": "US-CA-SF",
            "operation": "identify-1toN",
            "purpose": "criminal-investigation",
            "consent": False,
            "warrant": "none",
        },
        "city-hall": {
            "actor": "government-agency",
            "jurisdiction": "US-TX",
            "parties": ["Metro PD:law-enforcement-local"],
            "operation": "identify-1toN",
            "purpose": "access-control",
            "consent": False,
            "warrant": "none",
        },
    }.items()
    for when in ("today", "2018")
]


def _what_changed(now: Any, then: Any) -> str:
    gone = [r for r in now["reasons"] if r["instrument"] not in then["instruments"]]
    return " ".join(
        f"{r['instrument']} ({r['citation']}) was not in force in 2018."
        for r in {r["instrument"]: r for r in gone}.values()
    )


# ---------------------------------------------------------------- 5
def _withdrawal(stage: Stage, cast: Cast) -> Iterator[Step]:
    chapter = "5. She withdraws, and is gone"
    acme = stage.client(cast.keys["acme"])
    gone = stage.command("consent", "withdraw", "--subject", "grace")
    counts = gone.value["erased"]
    yield Step(
        chapter,
        gone.line,
        "Erased: " + ", ".join(counted(number, what) for what, number in counts.items()) + ".",
        "A query found nothing left, in tables and index; the receipt is signed "
        f"({gone.value['signature'][:24]}…).",
        gone.status == 0
        and all(counts[what] == 1 for what in ("faces", "crops", "keys"))
        and not any(gone.value["remaining"].values()),
    )
    again = acme.search_faces_by_image(
        CollectionId="staff", Image={"Bytes": degraded(grace_hopper())}
    )
    yield Step(
        chapter,
        "boto3: search_faces_by_image('staff', the same degraded photograph)",
        f"{len(again['FaceMatches'])} candidates.",
        "The server was running all the while; its index followed the database.",
        not again["FaceMatches"],
    )
    asked = "boto3: index_faces('staff', grace_hopper.jpg, ExternalImageId='grace')"
    yield _refused(chapter, asked, lambda: _enrol(acme), must_name=("withdr",))
    anew = stage.command(
        *("consent", "record", "--subject", "grace", "--purpose", "access-control"),
        *("--gallery", "staff*", "--notice", str(stage.data.parent / "notice.md")),
        *("--retention-days", "365"),
    )
    enrolled = _enrol(acme)
    yield Step(
        chapter,
        "rightface consent record … ; " + asked,
        f"{len(enrolled['FaceRecords'])} face enrolled again.",
        "She consented anew, after the withdrawal.",
        anew.status == 0 and len(enrolled["FaceRecords"]) == 1,
    )


# ---------------------------------------------------------------- 6
def _proof(stage: Stage, cast: Cast) -> Iterator[Step]:
    chapter = "6. Anyone can check"
    ledger = f"{stage.address}/ledger"
    checked = stage.command("ledger", "verify", ledger, "--vkey", cast.vkey, data=False)
    yield Step(
        chapter,
        f"rightface ledger verify {ledger} --vkey …",
        f"{checked.value['size']} entries, root {checked.value['root']}.",
        "Signature, entries, tiles and root agree, from the public files alone.",
        checked.status == 0 and checked.value["ok"],
    )
    proof = stage.command("ledger", "prove", str(cast.refused_at), ledger, data=False)
    leaf = proof.value["entry"]
    yield Step(
        chapter,
        f"rightface ledger prove {cast.refused_at} {ledger}",
        f"The refusal of step 4 is entry {cast.refused_at}: {leaf['operation']} by "
        f"{leaf['client']}, {leaf['outcome']}, {', '.join(leaf['reasons'])}.",
        f"{len(proof.value['hashes'])} hashes lead from it to the signed root.",
        proof.status == 0 and leaf["client"] == "sfpd" and leaf["outcome"] == "refused",
    )
    copy = stage.data.parent / "copy"
    shutil.copytree(stage.data / "ledger", copy)
    flipped = _flip_one_byte(copy)
    broken = stage.command("ledger", "verify", str(copy), "--vkey", cast.vkey, data=False)
    where = "; ".join(
        f"{each['where']}, entry {each['entry']}: {each['what']}"
        for each in broken.value["problems"]
    )
    yield Step(
        chapter,
        f"one byte of a copy is flipped ({flipped}), then: rightface ledger verify copy",
        f"Does not verify. {where}",
        "The verifier says where. Exit status 4.",
        broken.status == 4 and not broken.value["ok"] and bool(where),
    )


def _flip_one_byte(copy: Path) -> str:
    bundles = [path for path in (copy / "tile" / "entries").rglob("*") if path.is_file()]
    bundle = max(bundles, key=lambda path: int(path.name))  # 000.p/32: the one of the checkpoint
    content = bytearray(bundle.read_bytes())
    middle = len(content) // 2
    content[middle] ^= 1
    bundle.write_bytes(content)
    return f"byte {middle} of {bundle.relative_to(copy)}"


# ---------------------------------------------------------------- shared
def _refused(
    chapter: str,
    asked: str,
    ask: Callable[[], Any],
    *,
    must_name: tuple[str, ...],
    headers: dict[str, str] | None = None,
) -> Step:
    from botocore.exceptions import ClientError

    try:
        ask()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        message = error.response["Error"]["Message"]
        if headers is not None:
            headers.update(error.response["ResponseMetadata"]["HTTPHeaders"])
        named = all(each in message for each in must_name)
        as_told = code == "AccessDeniedException" and named
        return Step(chapter, asked, f"Refused ({code}).", message, as_told)
    return Step(chapter, asked, "Allowed.", "It should have been refused.", False)


def _header(answer: Any, name: str) -> str:
    return str(answer["ResponseMetadata"]["HTTPHeaders"].get(f"x-rightface-{name}", "–"))
