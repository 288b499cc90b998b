"""Generated C++ from .proto files, with Debian's protoc and gRPC plug-in."""

load("@rules_cc//cc:defs.bzl", "cc_library")

def _cc_generated(name, srcs, imports, suffix, flags, deps):
    stems = [src[:-len(".proto")] + suffix for src in srcs]
    native.genrule(
        name = name + "_gen",
        srcs = imports,
        outs = [stem + ext for stem in stems for ext in [".h", ".cc"]],
        cmd = "protoc -Iproto %s %s" % (
            flags,
            " ".join(["$(location %s)" % src for src in srcs]),
        ),
        message = "Generating",
    )
    cc_library(
        name = name,
        srcs = [stem + ".cc" for stem in stems],
        hdrs = [stem + ".h" for stem in stems],
        copts = ["-w"],
        includes = ["."],
        visibility = ["//visibility:public"],
        deps = deps,
    )

def cc_protos(name, srcs, services = []):
    """Two libraries: NAME with the messages of all srcs, NAME_grpc with the stubs of services.

    Args:
      name: of the message library.
      srcs: .proto files below proto/ that import nothing but each other and google/protobuf.
      services: those of srcs that declare a service.
    """
    _cc_generated(
        name = name,
        srcs = srcs,
        imports = srcs,
        suffix = ".pb",
        flags = "--cpp_out=$(RULEDIR)",
        deps = ["@debian//:protobuf"],
    )
    if services:
        _cc_generated(
            name = name + "_grpc",
            srcs = services,
            imports = srcs,
            suffix = ".grpc.pb",
            flags = "--plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin --grpc_out=$(RULEDIR)",
            deps = [
                ":" + name,
                "@debian//:grpc++",
            ],
        )
