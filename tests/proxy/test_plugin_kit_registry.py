"""Installed plugins: what is offered is found, and what breaks the contract is refused with place and fix."""

import sys
import textwrap
from functools import partial
from types import SimpleNamespace

import pytest

from bylaw.errors import ConfigError
from bylaw.plan.registry import BUILTIN, load_registry, registry_of
from bylaw.spec import Guard, Verdict, impl


def plugin(*guards, **hooks):
    """A plugin module that offers these guards."""

    @impl
    def register_guards():
        return guards

    return SimpleNamespace(register_guards=register_guards, **hooks)


class Good(Guard):
    name = "good"

    @impl
    def inspect_request(self, exchange, prompt):
        return Verdict.allow()


class Unmarked(Good):
    name = "unmarked"

    def inspect_request(self, exchange, prompt):
        return None


class Misspelt(Good):
    name = "misspelt"

    @impl
    def inspect_requests(self, exchange, prompt):
        return None


class Hookless(Guard):
    name = "hookless"


class Short(Guard):
    name = "short"

    @impl
    def inspect_request(self, exchange):
        return None


class Default(Guard):
    name = "default-argument"

    @impl
    def inspect_request(self, exchange, prompt=None):
        return None


class Variadic(Guard):
    name = "variadic"

    @impl
    def inspect_request(self, *arguments):
        return None


class Wrapper(Guard):
    name = "wrapper"

    @impl(wrapper=True)
    def inspect_request(self, exchange, prompt):
        return (yield)


class Yielding(Guard):
    name = "yielding"

    @impl
    async def inspect_request(self, exchange, prompt):
        yield None


class Static(Guard):
    name = "static"

    @staticmethod
    @impl
    def inspect_request(exchange, prompt):
        return None


class NoMethod(Guard):
    name = "no-method"
    inspect_request = partial(print)


class BadName(Good):
    name = "Bad Name"


class BadOptions(Good):
    name = "bad-options"
    Options = dict


class BadChannel(Good):
    name = "bad-channel"
    reads = frozenset({"txt"})


class BadControls(Good):
    name = "bad-controls"
    controls = "privacy"


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Unmarked, "inspect_request has no @impl, so it would never be called; put `@impl` above its `def`"),
        (Misspelt, "inspect_requests is no hook, did you mean `inspect_request`?"),
        (Hookless, "it has no hook; write one of inspect_request"),
        (Short, "must take exactly two arguments: `def inspect_request(self, exchange, prompt)`"),
        (Default, "has a default argument"),
        (Variadic, "must take exactly two arguments"),
        (Wrapper, "is a wrapper"),
        (Yielding, "is a generator; return one Verdict"),
        (Static, "is a staticmethod; make it a plain method"),
        (NoMethod, "inspect_request is no method"),
        (BadName, "its name is 'Bad Name'; give it `name ="),
        (BadOptions, "its Options is no dataclass"),
        (BadChannel, "it reads 'txt', which is no channel, did you mean `text`?"),
        (BadControls, "its controls must be a tuple"),
    ],
)
def test_a_guard_that_breaks_the_contract_is_refused(cls, message):
    with pytest.raises(ConfigError) as caught:
        registry_of({"acme": plugin(cls)})
    assert f"plugin acme: guard class {cls.__name__}: " in str(caught.value)
    assert message in str(caught.value)
    assert (__file__, True) == (caught.value.place.file, caught.value.place.line > 0)


def test_what_is_no_guard_class_is_refused():
    with pytest.raises(ConfigError, match="plugin acme: register_guards gave 7"):
        registry_of({"acme": plugin(7)})


def test_two_guards_of_one_name_are_refused():
    with pytest.raises(
        ConfigError, match="plugin b: guard class Good: 'good' is already the name of Good of plugin a"
    ):
        registry_of({"a": plugin(Good), "b": plugin(Good)})


def test_a_cold_hook_without_mark_is_refused():
    with pytest.raises(ConfigError, match="plugin acme: on_stop has no @impl"):
        registry_of({"acme": plugin(Good, on_stop=lambda: None)})


def test_an_unknown_marked_hook_is_refused():
    with pytest.raises(ConfigError, match=r"plugin acme: unknown hook 'register_gards'"):
        registry_of({"acme": plugin(register_gards=impl(lambda: ()))})


def test_a_cold_hook_with_an_unknown_argument_is_refused():
    with pytest.raises(ConfigError, match=r"plugin acme: .*deploymnet.* can not be found"):
        registry_of({"acme": plugin(on_start=impl(lambda deploymnet: None))})


def test_a_wrapped_cold_hook_is_refused():
    def on_stop():
        return (yield)

    with pytest.raises(ConfigError, match="plugin acme: on_stop is a wrapper"):
        registry_of({"acme": plugin(on_stop=impl(wrapper=True)(on_stop))})


def test_a_cold_hook_that_raises_is_named():
    def register_guards():
        raise RuntimeError("no licence")

    module = SimpleNamespace(register_guards=impl(register_guards))
    with pytest.raises(ConfigError, match="plugin acme: register_guards failed: RuntimeError: no licence"):
        registry_of({"acme": module})


def test_guards_resolvers_and_commands_are_collected():
    def resolve(headers, address):
        return frozenset({"EU"})

    module = plugin(
        Good,
        register_resolvers=impl(lambda: {"vpn": resolve}),
        register_commands=impl(lambda: {"acme": print}),
    )
    registry = registry_of({"acme": module})
    info = registry.guards["good"]
    assert (Good, "acme", ("inspect_request",)) == (info.cls, info.plugin, info.hooks)
    assert ({"vpn": resolve}, {"acme": print}) == (registry.resolvers, registry.commands)


def test_one_name_for_two_resolvers_is_refused():
    module = SimpleNamespace(register_resolvers=impl(lambda: {"vpn": print}))
    other = SimpleNamespace(register_resolvers=impl(lambda: {"vpn": print}))
    with pytest.raises(ConfigError, match="'vpn' is taken by plugin"):
        registry_of({"a": module, "b": other})


def test_callables_take_their_arguments_by_position_and_may_want_fewer():
    seen = []
    one = SimpleNamespace(on_start=impl(lambda deployment: seen.append(deployment["role"])))
    two = SimpleNamespace(
        on_start=impl(lambda: seen.append("none")), on_stop=impl(lambda: seen.append("stop"))
    )
    registry = registry_of({"one": one, "two": two})
    for call in registry.on_start:
        call({"role": "deployer"})
    for call in registry.on_stop:
        call()
    assert ["none", "deployer", "stop"] == seen


def test_the_built_in_guards_are_there():
    names = {"audit", "disclosure", "limits", "patterns", "pii", "secrets"}
    assert names <= set(load_registry().guards)


def test_a_disabled_plugin_is_not_loaded():
    assert not {"pii", "secrets"} & set(load_registry(disabled={BUILTIN}).guards)


def install(folder, name, entry, body, distribution="acme-dist"):
    """Put a plugin on the path, with the metadata of an installed distribution."""
    (folder / f"{name.replace('-', '_')}_module.py").write_text(textwrap.dedent(body))
    info = folder / f"{distribution.replace('-', '_')}-1.2.3.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2.3\n")
    (info / "entry_points.txt").write_text(f"[bylaw.v1]\n{entry} = {name.replace('-', '_')}_module\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.endswith("_module"):
            del sys.modules[name]


BODY = """
    from bylaw.spec import Guard, impl

    class Acme(Guard):
        name = "acme"

        @impl
        def inspect_request(self, exchange, prompt):
            return None

    @impl
    def register_guards():
        return [Acme]
"""


def test_an_installed_plugin_is_found_with_its_distribution(site):
    install(site, "acme", "acme", BODY)
    info = load_registry().guards["acme"]
    assert ("acme", "acme-dist", "1.2.3") == (info.plugin, info.distribution, info.version)


def test_a_plugin_that_cannot_be_imported_is_named_with_its_distribution(site):
    install(site, "broken", "broken", "import no_such_module_anywhere")
    with pytest.raises(
        ConfigError, match="plugin broken of distribution acme-dist cannot be imported: ModuleNot"
    ):
        load_registry()


def test_a_broken_plugin_can_be_disabled(site):
    install(site, "broken", "broken", "import no_such_module_anywhere")
    assert "secrets" in load_registry(disabled={"broken"}).guards


def test_two_distributions_with_one_plugin_name_are_refused(site):
    install(site, "acme", "acme", BODY)
    install(site, "other", "acme", BODY, distribution="other-dist")
    with pytest.raises(ConfigError, match=r"two plugins are named 'acme' \(of (acme|other)-dist and"):
        load_registry()
