"""The part of a Kubernetes API server that a lease needs, with everything that goes wrong with one.

Compare and swap by ``resourceVersion``, bearer tokens that can be rotated, and the strictness of
the real one about times with six fractional digits. :class:`Switches` say what goes wrong now; how
long an answer takes is told to the caller, for this module knows no time.

Only what the real server does as well is done here, in the same words where anybody reads them:
what passes against it must pass there.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Final, TypeAlias

import msgspec

JsonObject: TypeAlias = dict[str, object]

OK: Final = 200
CREATED: Final = 201
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
CONFLICT: Final = 409
INVALID: Final = 422
_REASONS: Final = {
    400: "BadRequest",
    UNAUTHORIZED: "Unauthorized",
    FORBIDDEN: "Forbidden",
    NOT_FOUND: "NotFound",
    405: "MethodNotAllowed",
    CONFLICT: "Conflict",
    INVALID: "Invalid",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
_LEASE_PATH: Final = re.compile(r"/apis/coordination\.k8s\.io/v1/namespaces/([^/]+)/leases/([^/]+)")
_EVENTS_PATH: Final = re.compile(r"/api/v1/namespaces/([^/]+)/events")
_MICRO_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")
_TIMES: Final = ("acquireTime", "renewTime")


class Switches(msgspec.Struct, kw_only=True):
    """What goes wrong with calls from now on."""

    latency_s: float = 0
    """Every answer takes so long; what is asked happens at once."""
    status: int = 0
    """Nothing is done, and every call is answered with this."""
    hangs: bool = False
    """Nothing is done, and no call is ever answered."""
    loses_answers: bool = False
    """What is asked is done, and the connection breaks before the answer."""
    is_cut: bool = False
    """Nothing gets through: connections are closed at once."""
    tokens: tuple[str, ...] = ()
    """Those that are accepted; empty: any that is not empty."""
    only: str = ""
    """Only this verb (``GET``, ``PUT``, ``POST``) is wronged; empty: all."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request."""

    verb: str
    path: str
    authorization: str = ""
    body: bytes = b""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of it."""

    status: int = 0
    body: bytes = b""
    delay_s: float = 0
    never: bool = False
    """The connection stays open, and nothing comes."""
    breaks: bool = False
    """The connection is closed without an answer."""


class KeptApi(msgspec.Struct, frozen=True, kw_only=True):
    """What outlives the server's process: what the real one has in etcd. Switches are no part."""

    version: int
    uids: int
    leases: dict[str, JsonObject]
    """By namespace and name."""
    events: list[JsonObject]


class _Problem(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class KubernetesApi:
    """Leases and events of one cluster, in memory."""

    def __init__(self) -> None:
        self.switches = Switches()
        self.by_token: dict[str, Switches] = {}
        """For the client with that token alone, instead of the general ones: a partition."""
        self.events: list[JsonObject] = []
        self.calls: dict[str, int] = {}
        """How many of each verb came in."""
        self._leases: dict[tuple[str, str], JsonObject] = {}
        self._version = 100
        self._uids = 0
        self._changes = 0

    # what people do

    def create(self, namespace: str, name: str) -> JsonObject:
        """A lease with metadata only, as a chart makes it."""
        self._uids += 1
        lease: JsonObject = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": f"00000000-0000-4000-8000-{self._uids:012d}",
                "labels": {"app.kubernetes.io/name": "krakked"},
            },
            "spec": {},
        }
        return self._keep(namespace, name, lease)

    def delete(self, namespace: str, name: str) -> None:
        """Away with it; nothing happens if there is none."""
        self._leases.pop((namespace, name), None)
        self._changes += 1

    def lease(self, namespace: str, name: str) -> JsonObject | None:
        """As it is kept."""
        return copy.deepcopy(self._leases.get((namespace, name)))

    def leases(self) -> dict[str, JsonObject]:
        """All of them, by namespace and name."""
        return {f"{space}/{name}": lease for (space, name), lease in self._leases.items()}

    def kept(self) -> KeptApi:
        """What a server that starts again must know."""
        return KeptApi(
            version=self._version, uids=self._uids, leases=self.leases(), events=[*self.events]
        )

    def restore(self, kept: KeptApi) -> None:
        """Go on where another process ended: no version is ever given out twice."""
        self._version, self._uids = kept.version, kept.uids
        self.events = [*kept.events]
        self._leases.clear()
        for name, lease in kept.leases.items():
            space, _, short = name.partition("/")
            self._leases[(space, short)] = copy.deepcopy(lease)

    @property
    def changes(self) -> int:
        """Another number whenever there is something new to keep."""
        return self._changes

    def change(
        self,
        namespace: str,
        name: str,
        *,
        annotations: dict[str, str | None] | None = None,
        spec: JsonObject | None = None,
    ) -> JsonObject:
        """What a person does with ``kubectl``; an annotation of None goes away."""
        lease = copy.deepcopy(self._leases[(namespace, name)])
        metadata = _part(lease, "metadata")
        notes = _part(metadata, "annotations")
        for key, value in (annotations or {}).items():
            if value is None:
                notes.pop(key, None)
            else:
                notes[key] = value
        _part(lease, "spec").update(spec or {})
        return self._keep(namespace, name, lease)

    # what clients do

    def handle(self, asked: Asked) -> Answered:
        """What becomes of one request."""
        self.calls[asked.verb] = self.calls.get(asked.verb, 0) + 1
        token = asked.authorization.partition(" ")[2]
        switches = self.by_token.get(token, self.switches)
        if switches.only not in ("", asked.verb):
            switches = Switches(tokens=switches.tokens)
        if switches.is_cut:
            return Answered(breaks=True)
        if switches.hangs:
            return Answered(never=True)
        status, body = self._answer(asked, switches)
        if switches.loses_answers:
            return Answered(breaks=True, delay_s=switches.latency_s)
        return Answered(status=status, body=msgspec.json.encode(body), delay_s=switches.latency_s)

    def _answer(self, asked: Asked, switches: Switches) -> tuple[int, JsonObject]:
        try:
            self._check(asked, switches)
            return self._route(asked)
        except _Problem as problem:
            return problem.status, _status(problem)

    def _check(self, asked: Asked, switches: Switches) -> None:
        if switches.status:
            raise _Problem(switches.status, "the server was told to say so")
        scheme, _, token = asked.authorization.partition(" ")
        if scheme != "Bearer" or not token or (switches.tokens and token not in switches.tokens):
            raise _Problem(UNAUTHORIZED, "Unauthorized")

    def _route(self, asked: Asked) -> tuple[int, JsonObject]:
        lease, events = _LEASE_PATH.fullmatch(asked.path), _EVENTS_PATH.fullmatch(asked.path)
        if lease and asked.verb == "GET":
            return OK, self._get(lease[1], lease[2])
        if lease and asked.verb == "PUT":
            return OK, self._put(lease[1], lease[2], _decoded(asked.body))
        if events and asked.verb == "POST":
            return CREATED, self._post_event(events[1], _decoded(asked.body))
        if lease or events:
            # The role allows get and update of the one lease, and the creation of events.
            raise _Problem(FORBIDDEN, f"cannot {asked.verb.lower()} {asked.path}")
        raise _Problem(NOT_FOUND, "the server could not find the requested resource")

    def _get(self, namespace: str, name: str) -> JsonObject:
        lease = self._leases.get((namespace, name))
        if lease is None:
            raise _Problem(NOT_FOUND, f'leases.coordination.k8s.io "{name}" not found')
        return lease

    def _put(self, namespace: str, name: str, given: JsonObject) -> JsonObject:
        kept = _part(self._get(namespace, name), "metadata")
        metadata = _part(given, "metadata")
        for problem in _problems(given, name):
            raise _Problem(INVALID, f'Lease.coordination.k8s.io "{name}" is invalid: {problem}')
        if metadata.get("uid") not in (None, kept["uid"]):
            raise _Problem(CONFLICT, "Precondition failed: UID in precondition does not match")
        if metadata["resourceVersion"] != kept["resourceVersion"]:
            raise _Problem(
                CONFLICT,
                f'Operation cannot be fulfilled on leases.coordination.k8s.io "{name}": the object '
                "has been modified; please apply your changes to the latest version and try again",
            )
        metadata["uid"] = kept["uid"]
        return self._keep(namespace, name, given)

    def _post_event(self, namespace: str, given: JsonObject) -> JsonObject:
        involved = _part(given, "involvedObject")
        if involved.get("namespace") != namespace:
            raise _Problem(INVALID, "involvedObject.namespace: does not match event.namespace")
        self.events.append(given)
        self._changes += 1
        return given

    def _keep(self, namespace: str, name: str, lease: JsonObject) -> JsonObject:
        self._version += 1
        self._changes += 1
        _part(lease, "metadata")["resourceVersion"] = str(self._version)
        self._leases[(namespace, name)] = copy.deepcopy(lease)
        return copy.deepcopy(lease)


def _problems(lease: JsonObject, name: str) -> Iterator[str]:
    metadata, spec = _part(lease, "metadata"), _part(lease, "spec")
    if metadata.get("name") != name:
        yield "metadata.name: does not match the path"
    if not metadata.get("resourceVersion"):
        yield "metadata.resourceVersion: must be specified for an update"
    for key, value in _part(metadata, "annotations").items():
        if not isinstance(value, str):
            yield f"metadata.annotations[{key}]: must be a string"
    for key in _TIMES:
        value = spec.get(key)
        if value is not None and not (isinstance(value, str) and _MICRO_TIME.fullmatch(value)):
            yield f'spec.{key}: parsing time "{value}" as "2006-01-02T15:04:05.000000Z07:00"'
    duration_s, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration_s is not None and not (isinstance(duration_s, int) and duration_s > 0):
        yield f"spec.leaseDurationSeconds: Invalid value: {duration_s}: must be greater than 0"
    if transitions is not None and not (isinstance(transitions, int) and transitions >= 0):
        yield f"spec.leaseTransitions: Invalid value: {transitions}: must not be negative"


def _part(of: JsonObject, name: str) -> JsonObject:
    part = of.get(name)
    if not isinstance(part, dict):
        part = of[name] = {}
    return part


def _decoded(body: bytes) -> JsonObject:
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _Problem(400, f"the object provided is unrecognized: {error}") from error


def _status(problem: _Problem) -> JsonObject:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": str(problem),
        "reason": _REASONS.get(problem.status, "InternalError"),
        "code": problem.status,
    }
