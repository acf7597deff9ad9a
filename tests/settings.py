"""This module is the settings of the tests: the console's own, in an environment that needs nothing from outside."""

import os
import tempfile

os.environ.setdefault("CIM_DATA", tempfile.mkdtemp(prefix="cim-tests-"))
os.environ.setdefault("CIM_SECRET_KEY", "only-for-tests-0123456789-0123456789-0123456789")
os.environ.setdefault("CIM_DOMAINS", "apps.domain")

from cimadmin.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast; nothing here is secret
