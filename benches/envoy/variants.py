"""What is measured: each variant is an HTTP filter for Envoy, and the requests that are sent through it.

All of them do the same job where they do any: they let the caller in, take its API key off, and tell the upstream in
x-tenant-id who is calling.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field

ISSUER, AUDIENCE = "https://idp.test", "api"
PATH = "/v1/models/llama/infer"
TENANT_HEADER = "x-tenant-id"
# So few that a token of the list is forgotten long before it comes again: each is verified anew.
FORGETFUL = 64
FILTERS = "type.googleapis.com/envoy.extensions.filters.http."


@dataclass
class Variant:
    """One thing to measure."""

    name: str
    title: str
    filter: dict | None
    requests: list = field(repr=False)  # (path, header, value)
    needs_issuer: bool = False


def all_variants(tokens: dict, key_set: str, empty_module: str, module: str) -> list[Variant]:
    """`tokens` are lists by algorithm; all lists of requests have the same length."""
    count = len(tokens["RS256"])
    keys = [f"sk-bench-{n:06}-{hashlib.sha256(str(n).encode()).hexdigest()[:32]}" for n in range(100_000)]

    def with_keys(keys):
        return [(PATH, "x-api-key", keys[n * 7919 % len(keys)]) for n in range(count)]

    def bearer(tokens):
        return [(PATH, "authorization", f"Bearer {tokens[n % len(tokens)]}") for n in range(count)]

    few = keys[:10]
    one_token = tokens["RS256"][:1]
    ours = {"module": module}
    by_key = ours | {"endpoints": [api_key_endpoint("infer", PATH, few)]}
    lent = api_key_endpoint("infer", PATH, few) | {"upstream_auth": {"type": "bearer", "token": "sk-provider"}}
    by_token = ours | {"endpoints": [oidc_endpoint()], "clusters": {"idp.test": "issuer"}}
    many_endpoints = [
        api_key_endpoint(f"infer-{n}", f"/v1/models/model-{n}/infer", [keys[n]]) for n in range(10_000)
    ]
    some_of_them = [n * 7919 % 10_000 for n in range(count)]
    return [
        Variant("none", "no filter", None, with_keys(few)),
        Variant("empty", "an empty wasm filter", wasm("empty", empty_module, ""), with_keys(few)),
        Variant("api_key_auth", "api_key_auth, API key", api_key_auth(few), with_keys(few)),
        Variant("lua", "Lua, API key", lua(few), with_keys(few)),
        Variant("ours_key", "tenantgate, API key", tenantgate(**by_key), with_keys(few)),
        Variant(
            "ours_key_lent", "tenantgate, API key, upstream_auth", tenantgate(module, [lent]), with_keys(few),
        ),
        Variant(
            "ours_100k_keys", "tenantgate, 100,000 API keys",
            tenantgate(module, [api_key_endpoint("infer", PATH, keys)]), with_keys(keys),
        ),
        Variant(
            "ours_10k_endpoints", "tenantgate, 10,000 endpoints", tenantgate(module, many_endpoints),
            [(f"/v1/models/model-{n}/infer", "x-api-key", keys[n]) for n in some_of_them],
        ),
        Variant("jwt_authn_rs256", "jwt_authn, new RS256", jwt_authn(key_set), bearer(tokens["RS256"])),
        Variant("ours_rs256", "tenantgate, new RS256", tenantgate(**by_token, cache=FORGETFUL), bearer(tokens["RS256"]), True),
        Variant("jwt_authn_es256", "jwt_authn, new ES256", jwt_authn(key_set), bearer(tokens["ES256"])),
        Variant("ours_es256", "tenantgate, new ES256", tenantgate(**by_token, cache=FORGETFUL), bearer(tokens["ES256"]), True),
        Variant("ours_ps256", "tenantgate, new PS256", tenantgate(**by_token, cache=FORGETFUL), bearer(tokens["PS256"]), True),
        Variant("ours_eddsa", "tenantgate, new EdDSA", tenantgate(**by_token, cache=FORGETFUL), bearer(tokens["EdDSA"]), True),
        Variant("jwt_authn_repeated", "jwt_authn, one token", jwt_authn(key_set), bearer(one_token)),
        Variant("jwt_authn_cached", "jwt_authn, one token, its cache on", jwt_authn(key_set, cache=1000), bearer(one_token)),
        Variant("ours_repeated", "tenantgate, one token", tenantgate(**by_token), bearer(one_token), True),
    ]


def mixed(tokens: dict, module: str) -> Variant:
    """Everything that a gate meets, good and bad: what its memory is measured with."""
    count = len(tokens["RS256"])
    keys = [f"sk-mixed-{n:04}-{hashlib.sha256(str(n).encode()).hexdigest()[:32]}" for n in range(1000)]
    by_key = api_key_endpoint("chat", "/v1/chat/completions", keys)
    open_to_all = {"name": "health", "path": "/healthz", "authorizer": {"type": "none"}}

    def by_stranger(n):
        header = json.dumps({"alg": "RS256", "kid": f"stranger-{n}", "note": "x" * (n * 37 % 900)}).encode()
        return base64.urlsafe_b64encode(header).rstrip(b"=").decode() + tokens["RS256"][n][tokens["RS256"][n].index("."):]

    def requests(n):
        chat, infer = "/v1/chat/completions", PATH
        yield chat, "x-api-key", keys[n % len(keys)]
        yield chat, "x-api-key", f"sk-guessed-{n}-" + "g" * (n * 13 % 300)
        yield chat, "authorization", "Basic dXNlcjpwYXNz"
        for algorithm in ("RS256", "ES256"):
            yield infer, "authorization", f"Bearer {tokens[algorithm][n]}"
        yield infer, "authorization", f"Bearer {tokens['RS256'][n % 7]}"
        yield infer, "authorization", f"Bearer {by_stranger(n)}"
        yield infer, "authorization", f"Bearer {tokens['ES256'][n][:-8]}AAAAAAAA"
        yield infer, "authorization", "Bearer not.a.token"
        yield "/healthz", "x-tenant-id", "forged"
        yield f"/elsewhere/{n}?q=" + "q" * (n * 7 % 500), "accept-language", "en"
        yield "/v1/%2e%2e/chat", "accept-language", "en"

    return Variant(
        "ours_mixed", "tenantgate, a million mixed requests",
        tenantgate(module, [by_key, oidc_endpoint(), open_to_all], {"idp.test": "issuer"}),
        [request for n in range(count) for request in requests(n)], True,
    )


def api_key_endpoint(name, path, keys):
    return {
        "name": name,
        "path": path,
        "authorizer": {
            "type": "api_key",
            "keys": [
                {"client_id": f"client-{n}", "tenant_id": "acme", "key_sha256": hashlib.sha256(key.encode()).hexdigest()}
                for n, key in enumerate(keys)
            ],
        },
    }


def oidc_endpoint():
    oidc = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": f"{ISSUER}/keys"}
    oidc["algorithms"] = ["RS256", "ES256", "PS256", "EdDSA"]
    return {"name": "infer", "path": PATH, "authorizer": {"type": "oidc", "oidc": oidc}}


def tenantgate(module, endpoints, clusters=None, cache=None):
    plugin = {"identity_headers": {"tenant": TENANT_HEADER}, "endpoints": endpoints}
    if clusters:
        plugin["clusters"] = clusters
    if cache:
        plugin["token_cache_size"] = cache
    return wasm("tenantgate", module, json.dumps(plugin))


def wasm(name, module, configuration):
    return {
        "name": name,
        "typed_config": {
            "@type": FILTERS + "wasm.v3.Wasm",
            "config": {
                "name": name,
                "vm_config": {
                    "vm_id": name,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": module}},
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": configuration,
                },
            },
        },
    }


def api_key_auth(keys):
    return {
        "name": "api_key_auth",
        "typed_config": {
            "@type": FILTERS + "api_key_auth.v3.ApiKeyAuth",
            "credentials": [{"key": key, "client": f"client-{n}"} for n, key in enumerate(keys)],
            "key_sources": [{"header": "x-api-key"}],
            "forwarding": {"header": TENANT_HEADER, "hide_credentials": True},
        },
    }


def jwt_authn(key_set, cache=None):
    provider = {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "local_jwks": {"inline_string": key_set},
        "forward": True,
        "claim_to_headers": [{"header_name": TENANT_HEADER, "claim_name": "tenant_id"}],
    }
    if cache:
        provider["jwt_cache_config"] = {"jwt_cache_size": cache}
    return {
        "name": "jwt_authn",
        "typed_config": {
            "@type": FILTERS + "jwt_authn.v3.JwtAuthentication",
            "providers": {"issuer": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "issuer"}}],
        },
    }


def lua(keys):
    known = ", ".join(f'["{key}"] = "client-{n}"' for n, key in enumerate(keys))
    code = f"""
local clients = {{ {known} }}
function envoy_on_request(handle)
  local headers = handle:headers()
  local client = clients[headers:get("x-api-key") or ""]
  if client == nil then
    handle:respond({{ [":status"] = "401" }}, "")
    return
  end
  headers:remove("x-api-key")
  headers:replace("{TENANT_HEADER}", client)
end
"""
    return {
        "name": "lua",
        "typed_config": {
            "@type": FILTERS + "lua.v3.Lua",
            "default_source_code": {"inline_string": code},
        },
    }
