"""publish.py against moto's S3, with versioning on and off."""

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

PUBLISH = Path(__file__).with_name("publish.py")


class Publish(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        cls.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        cls.server.start()
        host, port = cls.server.get_host_and_port()
        cls.environment = os.environ | {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        cls.s3 = boto3.client(
            "s3",
            endpoint_url=cls.environment["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="example",
        )
        for name, status in [("versioned", "Enabled"), ("suspended", "Suspended"), ("plain", None), ("empty", "Enabled")]:
            cls.s3.create_bucket(Bucket=name)
            if status:
                cls.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def publish(self, bucket, content=b"zip"):
        with tempfile.TemporaryDirectory() as directory:
            zip_files = [Path(directory, name) for name in ("ecsTasks.zip", "ecsEvents.zip")]
            zip_files[0].write_bytes(content or b"")
            if content is not None:
                zip_files[1].write_bytes(b"events")
            return subprocess.run(
                [sys.executable, PUBLISH, bucket, *zip_files],
                env=self.environment,
                capture_output=True,
                text=True,
                check=False,
            )

    def stored(self, key, **version):
        return self.s3.get_object(Bucket="versioned", Key=key, **version)["Body"].read()

    def test_shows_url_and_version_of_what_it_published_and_the_sums(self):
        versions = []
        for content in (b"one", b"two"):
            done = self.publish("versioned", content)
            self.assertEqual(done.returncode, 0, done.stderr)
            lines = done.stdout.splitlines()
            self.assertEqual(lines[0], "=> Publishing ecsTasks.zip to s3://versioned...")
            self.assertEqual(lines[1], "=> Published to S3 URL: https://s3.amazonaws.com/versioned/ecsTasks.zip")
            version = lines[2].removeprefix("=> S3 Object Version: ")
            self.assertEqual(self.stored("ecsTasks.zip", VersionId=version), content)
            self.assertEqual(self.stored("ecsEvents.zip"), b"events")
            versions.append(version)
            sums = [f"{hashlib.sha256(b'events').hexdigest()}  ecsEvents.zip", f"{hashlib.sha256(content).hexdigest()}  ecsTasks.zip"]
            self.assertEqual(lines[6:], ["=> SHA256SUMS:", *sums])
            self.assertEqual(self.stored("SHA256SUMS").decode().splitlines(), sums)
        self.assertNotEqual(*versions)

    def test_publishes_nothing_if_a_zip_is_missing(self):
        self.assertIn("ecsEvents.zip: make build first", self.publish("empty", content=None).stderr)
        self.assertNotIn("Contents", self.s3.list_objects_v2(Bucket="empty"))

    def test_names_a_bucket_without_versioning_and_publishes_nothing(self):
        for bucket in ("plain", "suspended"):
            done = self.publish(bucket)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"bucket {bucket} has no versioning", done.stderr)
            self.assertNotIn("Contents", self.s3.list_objects_v2(Bucket=bucket))

    def test_names_a_bucket_that_does_not_exist(self):
        done = self.publish("nowhere")
        self.assertEqual(done.returncode, 1)
        self.assertIn("NoSuchBucket", done.stderr)

    def test_says_what_is_missing(self):
        self.assertIn("no bucket", self.publish("").stderr)


if __name__ == "__main__":
    unittest.main()
