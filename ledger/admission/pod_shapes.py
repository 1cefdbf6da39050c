"""What is read of Kubernetes objects: the fields that decide, each in the type that it has there.

Decoded from the JSON of an API server, at most 3 MiB of it. Fields that are not named here are
passed over; one that is named and of another type is refused, so that nothing is overlooked for
being oddly spelled. Upper bounds are the API's own or far above them.
"""

from typing import Annotated, Any, Final

from msgspec import Meta, Raw, Struct, field

Text = Annotated[str, Meta(max_length=1 << 20)]
Many = Meta(max_length=1_000)
NOTHING: Final = Raw(b"null")
"""An object that is not there; a creation has no old one, a deletion no new one."""


class Read(Struct, frozen=True, rename="camel"):
    """Part of an object; members that are not named are not looked at."""


class Resources(Read, frozen=True):
    """What a container asks for: quantities by the resource's name."""

    limits: dict[str, str | int] | None = None
    requests: dict[str, str | int] | None = None
    claims: list[Any] | None = None


class Mount(Read, frozen=True):
    """Where a volume appears in a container."""

    name: str
    read_only: bool | None = None


class Device(Read, frozen=True):
    """A volume that a container has as a raw block device."""

    name: str


class Capabilities(Read, frozen=True):
    """Linux capabilities that a container has beside the usual ones."""

    add: list[str] | None = None


class Security(Read, frozen=True):
    """A container's security context, as far as it reaches around mounts."""

    privileged: bool | None = None
    capabilities: Capabilities | None = None


class Container(Read, frozen=True):
    """A container, an init container or an ephemeral one."""

    name: str = ""
    resources: Resources | None = None
    restart_policy: str | None = None
    volume_mounts: Annotated[list[Mount], Many] | None = None
    volume_devices: Annotated[list[Device], Many] | None = None
    security_context: Security | None = None


class PodSpec(Read, frozen=True):
    """A pod's plan. A volume is its name and one member that says of what kind it is."""

    containers: Annotated[list[Container], Many] | None = None
    init_containers: Annotated[list[Container], Many] | None = None
    ephemeral_containers: Annotated[list[Container], Many] | None = None
    volumes: Annotated[list[dict[str, Any]], Many] | None = None
    resources: Resources | None = None
    resource_claims: list[Any] | None = None
    active_deadline_seconds: int | None = None
    node_name: str | None = None
    host_pid: bool | None = field(name="hostPID", default=None)

    def every_container(self) -> list[Container]:
        """All of them, whenever they run."""
        return [
            *(self.init_containers or ()),
            *(self.containers or ()),
            *(self.ephemeral_containers or ()),
        ]


class Owner(Read, frozen=True):
    """What an object belongs to."""

    kind: str
    uid: str
    api_version: str = ""
    controller: bool | None = None


class Metadata(Read, frozen=True):
    """Who an object is."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    annotations: dict[str, Text] | None = None
    labels: dict[str, Text] | None = None
    owner_references: Annotated[list[Owner], Many] | None = None

    def said(self, name: str) -> list[str]:
        """What the annotation and the label of this name say, each where it is there."""
        found = [(each or {}).get(name) for each in (self.annotations, self.labels)]
        return [each for each in found if each is not None]


class PodStatus(Read, frozen=True):
    """How far a pod is."""

    phase: str = ""


class Pod(Read, frozen=True):
    """A pod, or the template of one."""

    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Template(Read, frozen=True):
    """The template of pods, and how many of them there are to be at once."""

    template: Pod
    parallelism: Annotated[int, Meta(ge=0)] | None = None
    replicas: Annotated[int, Meta(ge=0)] | None = None
    active_deadline_seconds: int | None = None

    @property
    def pods(self) -> int:
        """How many run at once; one where nothing is said."""
        given = self.parallelism if self.parallelism is not None else self.replicas
        return 1 if given is None else given


class Owning(Read, frozen=True):
    """A Job, a Deployment, a StatefulSet or a ReplicaSet."""

    spec: Template
    metadata: Metadata = Metadata()


class Kind(Read, frozen=True):
    """A group, a version and a kind."""

    group: str
    version: str
    kind: str


class User(Read, frozen=True):
    """Who asked the API server."""

    username: str = ""
    groups: list[str] | None = None


class Request(Read, frozen=True):
    """What the API server asks about, before it does it."""

    uid: Annotated[str, Meta(min_length=1, max_length=128)]
    kind: Kind
    operation: str
    sub_resource: str = ""
    namespace: str = ""
    name: str = ""
    user_info: User = User()
    object: Raw = NOTHING
    old_object: Raw = NOTHING
    dry_run: bool | None = None
    options: dict[str, Any] | None = None


class Review(Read, frozen=True):
    """``AdmissionReview`` of admission.k8s.io/v1."""

    api_version: str
    kind: str
    request: Request
