"""This module is the settings of the tests: the console's own, in an environment that needs nothing from outside."""

import atexit
import os
import shutil
import tempfile

if "CIM_DATA" not in os.environ:  # what this process starts takes the same folder
    os.environ["CIM_DATA"] = tempfile.mkdtemp(prefix="cim-tests-")
    atexit.register(shutil.rmtree, os.environ["CIM_DATA"], ignore_errors=True)
os.environ.setdefault("CIM_SECRET_KEY", "only-for-tests-0123456789-0123456789-0123456789")
os.environ.setdefault("CIM_DOMAINS", "apps.domain")

from cimadmin.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast; nothing here is secret
