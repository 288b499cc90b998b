"""Repository rules that bring Debian 12's packages into Bazel, offline."""

_RULES_CC = "/usr/share/bazel/rules/cc"

# Debian's rules_cc 0.0.4 loads a symbol in these two files that Debian's Bazel 4.2.3 does not have.
_RULES_CC_TOO_NEW = [
    "cc/private/rules_impl/compiler_flag.bzl",
    "cc/private/rules_impl/cc_flags_supplier.bzl",
]

def _debian_rules_cc_impl(ctx):
    copied = ctx.execute(["cp", "-R", _RULES_CC + "/.", "."])
    if copied.return_code != 0:
        fail("cannot read %s (run deploy/local/setup): %s" % (_RULES_CC, copied.stderr))
    for path in _RULES_CC_TOO_NEW:
        text = ctx.read(_RULES_CC + "/" + path)
        text = text.replace(', "use_cpp_toolchain")', ")")
        text = text.replace(
            "use_cpp_toolchain()",
            '["@bazel_tools//tools/cpp:toolchain_type"]',
        )
        ctx.file(path, text, executable = False)

debian_rules_cc = repository_rule(
    implementation = _debian_rules_cc_impl,
    doc = "A copy of Debian's rules_cc that Debian's Bazel can load.",
    local = True,
)

# Bazel name: pkg-config name. Headers lie under /usr/include, so the compiler finds them by itself
# (libpq's as postgresql/libpq-fe.h).
_PKG_CONFIG = {
    "argon2": "libargon2",
    "cpp-httplib": "cpp-httplib",
    "curl": "libcurl",
    "grpc++": "grpc++",
    "gtest": "gtest",
    "gtest_main": "gtest_main",
    "gmock": "gmock",
    "libpq": "libpq",
    "openssl": "libcrypto",
    "prometheus_cpp": "prometheus-cpp-pull",
    "protobuf": "protobuf",
    "spdlog": "spdlog",
    "sqlite3": "sqlite3",
    "yaml-cpp": "yaml-cpp",
    "zstd": "libzstd",
}

# Abseil has one pkg-config file a library; these are the ones that the code uses.
_ABSL = [
    "absl_any_invocable",
    "absl_cleanup",
    "absl_core_headers",
    "absl_flat_hash_map",
    "absl_flat_hash_set",
    "absl_btree",
    "absl_inlined_vector",
    "absl_random_random",
    "absl_span",
    "absl_status",
    "absl_statusor",
    "absl_str_format",
    "absl_strings",
    "absl_synchronization",
    "absl_time",
]

# Libraries that are headers alone, or that have no pkg-config file.
_HEADERS_ONLY = ["cli11", "nlohmann_json"]

_TARGET = """
cc_library(
    name = "%s",
    defines = %s,
    linkopts = %s,
    visibility = ["//visibility:public"],
)
"""

def _pkg_config(ctx, packages):
    result = ctx.execute(["pkg-config", "--cflags", "--libs"] + packages)
    if result.return_code != 0:
        fail("a library is missing (run deploy/local/setup): %s" % result.stderr)
    defines = []
    linkopts = []
    seen = {}
    for flag in [flag for flag in result.stdout.strip().split(" ") if flag]:
        if flag.startswith("-D"):
            defines.append(flag[2:])
        elif flag.startswith("-l") and flag in seen:
            continue
        elif flag.startswith("-l") or flag.startswith("-Wl,") or flag == "-pthread":
            seen[flag] = True
            linkopts.append(flag)
    return defines, linkopts

def _debian_packages_impl(ctx):
    build = ['load("@rules_cc//cc:defs.bzl", "cc_library")']
    for name, package in _PKG_CONFIG.items():
        defines, linkopts = _pkg_config(ctx, [package])
        build.append(_TARGET % (name, defines, linkopts))
    defines, linkopts = _pkg_config(ctx, _ABSL)
    build.append(_TARGET % ("absl", defines, linkopts))
    for name in _HEADERS_ONLY:
        build.append(_TARGET % (name, [], []))

    # The plug-in registers itself from a static initializer that no symbol of ours refers to.
    build.append(_TARGET % (
        "grpc++_reflection",
        [],
        [
            "-Wl,--push-state,--no-as-needed",
            "-lgrpc++_reflection",
            "-Wl,--pop-state",
            "-lgrpc++",
            "-lprotobuf",
        ],
    ))
    build.append('exports_files(["health.proto"])')
    ctx.file("BUILD", "\n".join(build), executable = False)
    ctx.symlink("/usr/share/grpc-proto/grpc/health/v1/health.proto", "health.proto")

debian_packages = repository_rule(
    implementation = _debian_packages_impl,
    doc = "One cc_library for each Debian package that the code links.",
    local = True,
)
