"""Artifacts on disk: digests, reading and sealing, and the cache of finished steps."""

from hwcore.artifacts.cache import Cache, CacheEntry, DiskFull, default_cache_root
from hwcore.artifacts.digest import file_entries, manifest_digest, sha256_file, sha256_json
from hwcore.artifacts.store import copy_artifact, read_artifact, seal, write_artifact

__all__ = [
    "Cache",
    "CacheEntry",
    "DiskFull",
    "copy_artifact",
    "default_cache_root",
    "file_entries",
    "manifest_digest",
    "read_artifact",
    "seal",
    "sha256_file",
    "sha256_json",
    "write_artifact",
]
