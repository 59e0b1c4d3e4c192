"""publish.py against moto's S3, with versioning on and off."""

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
        for name, status in [("versioned", "Enabled"), ("suspended", "Suspended"), ("plain", None)]:
            cls.s3.create_bucket(Bucket=name)
            if status:
                cls.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def publish(self, bucket, content=b"zip"):
        with tempfile.TemporaryDirectory() as directory:
            zip_file = Path(directory, "ecsTasks.zip")
            if content is not None:
                zip_file.write_bytes(content)
            return subprocess.run(
                [sys.executable, PUBLISH, zip_file, bucket],
                env=self.environment,
                capture_output=True,
                text=True,
                check=False,
            )

    def test_shows_url_and_version_of_what_it_published(self):
        versions = []
        for content in (b"one", b"two"):
            done = self.publish("versioned", content)
            self.assertEqual(done.returncode, 0, done.stderr)
            lines = done.stdout.splitlines()
            self.assertEqual(lines[0], "=> Publishing ecsTasks.zip to s3://versioned...")
            self.assertEqual(lines[1], "=> Published to S3 URL: https://s3.amazonaws.com/versioned/ecsTasks.zip")
            version = lines[2].removeprefix("=> S3 Object Version: ")
            stored = self.s3.get_object(Bucket="versioned", Key="ecsTasks.zip", VersionId=version)
            self.assertEqual(stored["Body"].read(), content)
            versions.append(version)
        self.assertNotEqual(*versions)

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
        self.assertIn("make build first", self.publish("versioned", content=None).stderr)


if __name__ == "__main__":
    unittest.main()
