"""The version of the plugin contract, which is not the version of the package.

The minor number grows when something is added (an argument, a field with a default);
the major number grows when an existing plugin would break.
"""

CONTRACT_VERSION = "1.1"
