//! Every failure that ecs-tasks knows: AWS's texts for it, its meaning, the next step, and whether
//! time helps. This is data; read it from top to bottom, as docs/failures.md shows it.
//!
//! See `pattern` for the syntax of texts that identify a failure, and `fill` for that of leads and
//! steps. The matching entry with the highest [`Rank`] counts. No message of
//! `tests/failures/messages.txt` matches two entries of one rank.

use super::{CatalogueEntry, FailureClass, Rank, Retry};

/// The base of every entry: it matches nothing.
const ENTRY: CatalogueEntry = CatalogueEntry {
    id: "",
    class: FailureClass::Start,
    rank: Rank::Cause,
    says: &[],
    logs: &[],
    codes: &[],
    stop_codes: &[],
    of_call: false,
    lead: "",
    step: "",
    on_ec2: "",
    retry: Retry::No,
    alert: "",
};
/// The base for a task that ran.
const RAN: CatalogueEntry = CatalogueEntry {
    class: FailureClass::Container,
    ..ENTRY
};
/// The base for a task that passed its deadline.
const TIMED_OUT: CatalogueEntry = CatalogueEntry {
    class: FailureClass::Timeout,
    ..ENTRY
};
/// The base for a request that cannot be carried out.
const REFUSED: CatalogueEntry = CatalogueEntry {
    class: FailureClass::Refused,
    ..ENTRY
};
/// The base for a failure of the function itself.
const OWN: CatalogueEntry = CatalogueEntry {
    class: FailureClass::OwnFault,
    ..ENTRY
};

/// All entries.
pub const CATALOGUE: &[CatalogueEntry] = &[
    // ---- Images ----
    CatalogueEntry {
        id: "image-not-found",
        says: &[
            "failed to resolve ref {image}: not found",
            "failed to resolve reference {image}: not found",
            "{image}: not found: manifest unknown",
            "manifest for {image} not found",
            "manifest unknown",
            "repository {image} not found",
            "Check whether the image exists",
            "name unknown: The repository with name {image} does not exist",
            // Only likely: messages with another cause can end like this, too.
            "~CannotPull*{image}: not found$",
        ],
        lead: "The image[ {image}] of {who} does not exist in its registry",
        step: "Correct Image in the task definition, or push the image. A name without a registry means Docker Hub: an \
               image in ECR needs its full URI (ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG). An ECR lifecycle rule \
               may have removed the tag",
        alert: "image cannot be pulled: not found",
        ..ENTRY
    },
    CatalogueEntry {
        id: "image-denied",
        says: &[
            "resolve ref {image}: pulling from host *.dkr.ecr.*403 Forbidden",
            "not authorized to perform: ecr:{action} on resource: arn:{repository} because no identity",
            "~Check that the role has the permissions to pull images from the registry",
            "~pull access denied for *.dkr.ecr.",
            "dkr.ecr.*403 Forbidden",
            "dkr.ecr.*no basic auth credentials",
        ],
        lead: "ECR denied the pull of the image[ {image}] of {who}, or its repository does not exist",
        step: "Give the task's execution role (on EC2 without one, the instance's role) \
               AmazonECSTaskExecutionRolePolicy[ (the role lacks ecr:{action})], and for a pull-through cache also \
               ecr:BatchImportUpstreamImage and ecr:CreateRepository. If AWS's message has /blobs/, the policy of an \
               S3 endpoint can be the cause (s3:GetObject on prod-REGION-starport-layer-bucket). Check the \
               repository (aws ecr describe-repositories); if it is in another account, its repository policy there \
               must also allow this account's role",
        alert: "image cannot be pulled: denied",
        ..ENTRY
    },
    CatalogueEntry {
        id: "image-denied-by-repository",
        says: &[
            "assumed-role/{role}/*ecr:{action} on resource: {repositoryName} because no resource-based policy",
            "ecr:{action} on resource: {repositoryName} because no resource-based policy",
        ],
        lead: "The ECR repository {repositoryName} of another account does not allow the pull of {who}'s image",
        step: "In that account, allow ecr:BatchGetImage, ecr:GetDownloadUrlForLayer and ecr:BatchCheckLayerAvailability to \
               this account or to {role|the execution role} in the policy of the repository (aws ecr \
               set-repository-policy)",
        alert: "image cannot be pulled: denied",
        ..ENTRY
    },
    CatalogueEntry {
        id: "registry-login-denied",
        says: &[
            "assumed-role/{role}/*not authorized to perform: ecr:GetAuthorizationToken",
            "not authorized to perform: ecr:GetAuthorizationToken",
            "unable to retrieve ecr registry auth*AccessDenied",
        ],
        lead: "The task's execution role[ {role}] may not log in to ECR, so the image[ {image}] of {who} cannot be pulled",
        step: "Attach AmazonECSTaskExecutionRolePolicy to that role, or allow it ecr:GetAuthorizationToken on *, and \
               ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on the repository",
        on_ec2: "Attach AmazonECSTaskExecutionRolePolicy to the execution role (without one, the instance's role pulls), or \
                 allow it ecr:GetAuthorizationToken on *, and ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on the \
                 repository",
        alert: "image cannot be pulled: denied",
        ..ENTRY
    },
    CatalogueEntry {
        id: "image-layers-denied",
        says: &[
            "CannotPull*starport-layer-bucket*403",
            "~failed to copy: httpRead*amazonaws.com*403 Forbidden",
            "CannotPull*error parsing HTTP 403 response body",
        ],
        lead: "S3 denied the layers of the image[ {image}] of {who}, though the registry gave its manifest",
        step: "If the VPC has an S3 endpoint, its policy must allow s3:GetObject on \
               arn:aws:s3:::prod-REGION-starport-layer-bucket/* (ECR's layers), or on the bucket of another registry. \
               The execution role is not the cause",
        alert: "image cannot be pulled: its layers are denied",
        ..ENTRY
    },
    CatalogueEntry {
        id: "image-private",
        rank: Rank::Area,
        says: &[
            "pull access denied for {image}, repository does not exist",
            "resolve ref {image}: pull access denied",
            "pull access denied",
            "insufficient_scope: authorization failed",
            "failed to fetch anonymous token",
            "401 Unauthorized",
            "CannotPull*403 Forbidden",
            "no basic auth credentials",
            "unauthorized: authentication required",
            "requested access to the resource is denied",
        ],
        lead: "The registry refused to hand out the image[ {image}] of {who}: it is private, or does not exist",
        step: "Correct Image in the task definition (an ECR image needs its full URI; a bare name means Docker Hub), or \
               give the container RepositoryCredentials: a Secrets Manager secret with username and password, which \
               the execution role may read",
        alert: "image cannot be pulled: denied",
        ..ENTRY
    },
    CatalogueEntry {
        id: "registry-rate-limit",
        says: &[
            "toomanyrequests",
            "You have reached your pull rate limit",
            "You have reached your unauthenticated pull rate limit",
            "429 Too Many Requests",
            "CannotPull*error parsing HTTP 429",
        ],
        lead: "The registry refused the image[ {image}] of {who}: too many pulls",
        step: "Docker Hub counts anonymous pulls by address: pull through ECR (a pull-through cache rule, for which \
               the execution role needs ecr:BatchImportUpstreamImage and ecr:CreateRepository), take the image from \
               public.ecr.aws/docker/library, or give the container RepositoryCredentials. If the image is in ECR, \
               start fewer tasks at once[deploy: ; StartRetries retries the start]",
        alert: "pull limit of the registry",
        ..ENTRY
    },
    CatalogueEntry {
        id: "image-windows-version",
        says: &[
            "0xc0370101",
            "container operating system does not match the host operating system",
            "operating system of the container does not match the operating system of the host",
            "no matching manifest for windows/{platform} in the manifest list entries",
            "no matching manifest for windows/",
            "a Windows version {version}-based image is incompatible with",
        ],
        lead: "The image[ {image}] of {who} needs another version of Windows than its host has",
        step: "Build it on the base image of the host's version (ltsc2019 for Windows Server 2019, ltsc2022 for 2022; \
               on the host, the command ver shows it). Or set RuntimePlatform: OperatingSystemFamily in the task \
               definition to the image's version (WINDOWS_SERVER_2022_CORE), on EC2 with instances of that version",
        alert: "image is for another Windows version",
        ..ENTRY
    },
    CatalogueEntry {
        id: "image-format",
        says: &[
            "is no longer supported since containerd",
            "distribution.manifest.v1+",
            "Docker Image Format v1*is not supported",
            "unsupported manifest media type",
            "manifest schema 1",
            "schema version 1",
        ],
        lead: "The image[ {image}] of {who} has an old format (Docker manifest schema 1) that the container runtime does not \
               read",
        step: "Build and push it again with a current Docker, or copy it with a tool that converts it (skopeo copy \
               --format v2s2), and name the new one in Image",
        alert: "image cannot be pulled: old format",
        ..ENTRY
    },
    CatalogueEntry {
        id: "image-platform",
        says: &[
            "does not contain descriptor matching platform {platform}",
            "~no matching manifest for {platform} in the manifest list entries",
            "no match for platform in manifest",
            "image operating system {platform} cannot be used on this platform",
            "~no matching manifest for",
        ],
        lead: "The image[ {image}] of {who} has no version for the platform[ {platform}] that the task runs on",
        step: "Build it for that platform (docker build --platform {platform|linux/amd64}), or set RuntimePlatform: \
               CpuArchitecture in the task definition to what the image was built for (ARM64 on an Apple laptop)",
        alert: "image is for another platform",
        ..ENTRY
    },
    CatalogueEntry {
        id: "program-platform",
        class: FailureClass::Container,
        says: &["exec format error"],
        logs: &["exec format error"],
        lead: "Linux could not execute the program of {who}[ (exit code {code})]: it was built for a different \
               processor than {platform|the task's}, or is a script without a #! line",
        step: "Build the image for the task's processor (docker build --platform linux/amd64 for X86_64, linux/arm64 \
               for ARM64), or set RuntimePlatform: CpuArchitecture in the task definition to what it was built for",
        alert: "image is for another platform",
        ..ENTRY
    },
    CatalogueEntry {
        id: "registry-not-found",
        says: &[
            "CannotPull*lookup {registry} on *: no such host",
            "CannotPull*lookup {registry} on *i/o timeout",
            "CannotPull*no such host",
            "CannotPull*server misbehaving",
        ],
        lead: "The name of the registry[ {registry}] of the image[ {image}] of {who} could not be resolved: it is \
               wrong, or DNS does not work in the VPC",
        step: "Check the registry's name in Image of the task definition, that DNS support and DNS hostnames are on \
               in the VPC, and that the DNS servers of its DHCP options answer from these subnets",
        alert: "registry's name cannot be resolved",
        ..ENTRY
    },
    CatalogueEntry {
        id: "registry-unreachable",
        says: &[
            "The task cannot pull {image} from the *There is a connection issue",
            "cannot pull registry auth from Amazon ECR*connection issue",
            "~CannotPull*dial tcp*i/o timeout",
            "resolve ref {image}: failed to do request*dial tcp*i/o timeout",
            "CannotPull*request canceled while waiting for connection",
            "CannotPull*Client.Timeout exceeded",
            "CannotPull*context deadline exceeded",
            "CannotPull*context canceled",
            "CannotPull*connection refused",
            "CannotPull*connection reset by peer",
            "CannotPull*network is unreachable",
            "CannotPull*TLS handshake timeout",
            "CannotPull*Check your network configuration",
            "pull the image. Check your network configuration",
            "unable to retrieve ecr registry auth*RequestCanceled",
            "unable to retrieve ecr registry auth*deadline exceeded",
            "unable to retrieve ecr registry auth*i/o timeout",
            "unable to retrieve ecr registry auth*request send failed",
            "unable to retrieve ecr registry auth*RequestError: send request failed",
            "pull command failed*panic: runtime error",
        ],
        lead: "The registry[ {registry}] of the image[ {image}] of {who} could not be reached from the task's network",
        step: "Give the task a route to the internet: AssignPublicIp: ENABLED in a public subnet, or a NAT gateway \
               in a private one. For ECR, the VPC endpoints ecr.api, ecr.dkr (both with private DNS) and s3 also \
               work (logs and secretsmanager too, if the task uses them); their security group must allow inbound \
               443 from the task. Allow outbound 443 in the task's security group[. It ran in {network}]",
        on_ec2: "Give the instances a route to the registry, usually a NAT gateway. For ECR, the VPC endpoints \
                 ecr.api, ecr.dkr (both with private DNS) and s3 also work; their security group must allow inbound \
                 443 from the instances. On EC2 a task in network mode awsvpc gets no public address[. It ran in \
                 {network}]",
        alert: "registry cannot be reached (network)",
        ..ENTRY
    },
    CatalogueEntry {
        id: "registry-certificate",
        says: &[
            "CannotPull*x509: ",
            "CannotPull*tls: failed to verify certificate",
        ],
        lead: "The registry[ {registry}] of the image[ {image}] of {who} presented a certificate that the agent does \
               not trust",
        step: "Give the registry a certificate from a public authority, or push the image to ECR; a proxy that \
               intercepts TLS can also cause this",
        on_ec2: "Put the authority's certificate into /etc/docker/certs.d/{registryHost|REGISTRY}/ca.crt on the \
                 instances, give the registry a certificate from a public authority, or push the image to ECR; a \
                 proxy that intercepts TLS can also cause this",
        alert: "registry cannot be reached (certificate)",
        ..ENTRY
    },
    CatalogueEntry {
        id: "registry-fault",
        says: &[
            "CannotPull*500 Internal Server Error",
            "CannotPull*502 Bad Gateway",
            "CannotPull*503 Service Unavailable",
            "CannotPull*504 Gateway",
            "CannotPull*unexpected EOF",
        ],
        lead: "The registry[ {registry}] had an internal error, so the image[ {image}] of {who} was not pulled",
        step: "[deploy: Deploy again, or set StartRetries: 2][alert: Start it again (a service does that \
               itself)]; if it happens again, see the status page of the registry, or keep a copy of the image in ECR",
        alert: "registry failed",
        ..ENTRY
    },
    CatalogueEntry {
        id: "image-layers-unreachable",
        says: &[
            "starport-layer-bucket*i/o timeout",
            "starport-layer-bucket*connection refused",
            "httpRead*.s3.*i/o timeout",
            "httpRead*.s3.*connection reset",
        ],
        lead: "The layers of the image[ {image}] of {who} could not be fetched: ECR keeps them in S3, which the task's \
               network does not reach",
        step: "Add the S3 gateway endpoint to the route tables of the task's subnets, or give them a NAT gateway, and \
               allow outbound 443 in the task's security group[. It ran in {network}]",
        alert: "registry cannot be reached (layers, S3)",
        ..ENTRY
    },
    CatalogueEntry {
        id: "image-layers",
        says: &[
            "failed to copy: httpRead",
            "failed to copy: httpReaderSeeker",
            "error pulling image conf",
        ],
        rank: Rank::Area,
        lead: "The layers of the image[ {image}] of {who} could not be read, though its manifest could",
        step: "ECR keeps layers in S3: the task's subnets need a NAT gateway, or the S3 gateway endpoint in their \
               route tables, whose policy allows s3:GetObject on arn:aws:s3:::prod-REGION-starport-layer-bucket/*; \
               the task's security group needs outbound 443. For another registry, the address in AWS's message must \
               be reachable[. It ran in {network}]",
        alert: "registry cannot be reached (layers, S3)",
        ..ENTRY
    },
    CatalogueEntry {
        id: "disk-full-start",
        says: &[
            "CannotPull*no space left on device",
            "CannotCreate*no space left on device",
            "CannotStart*no space left on device",
            "failed to register layer*no space left on device",
            "failed to extract layer*no space left on device",
            "GetImageBlob*no space left on device",
            "CannotPull*not enough space on the disk",
            "CannotCreate*not enough space on the disk",
            "CannotStart*not enough space on the disk",
            "hcsshim*not enough space on the disk",
            "Thin Pool has * free data blocks which is less than minimum required",
        ],
        lead: "The host's disk is full: there is no room for the image[ {image}] of {who}",
        step: "Make the image smaller, or set EphemeralStorage: SizeInGiB in the task definition (21 to 200[deploy: \
               ; Overrides can set it for one run]); where ECS refuses that, run the image on EC2",
        on_ec2: "Drain and replace the instance, or free its disk: docker system df shows what fills it. docker \
                 image prune --all also removes amazon-ecs-pause, which tasks in network mode awsvpc need: run \
                 systemctl restart ecs after it. Give the instances larger volumes (BlockDeviceMappings of their \
                 launch template), or let the agent remove old images sooner (ECS_IMAGE_CLEANUP_INTERVAL)",
        alert: "disk full",
        ..ENTRY
    },
    CatalogueEntry {
        id: "image-broken",
        says: &[
            "failed to unpack image",
            "failed to extract layer",
            "no processor for media-type",
            "failed to register layer",
            "invalid tar header",
            "unsupported manifest media type",
            "mediaType in manifest",
        ],
        rank: Rank::Area,
        lead: "The image[ {image}] of {who} was pulled, but could not be unpacked",
        step: "AWS's message names the fault. Build and push the image again without a cache (docker build \
               --no-cache). For media types such as application/vnd.in-toto, use --provenance=false: the agent \
               cannot unpack build attestations. For lchown, use a smaller user or group id",
        alert: "image cannot be pulled: broken",
        ..ENTRY
    },
    CatalogueEntry {
        id: "image-name-invalid",
        says: &[
            "invalid reference format",
            "invalid image name",
            "repository name must be lowercase",
        ],
        lead: "The name of the image[ {image}] of {who} is not valid",
        step: "Correct Image in the task definition: REGISTRY/REPOSITORY:TAG in lower case, without https://",
        alert: "image cannot be pulled: its name",
        ..ENTRY
    },
    CatalogueEntry {
        id: "image-pull",
        rank: Rank::Prefix,
        says: &[
            "CannotPull",
            "failed to resolve ref",
            "pull image manifest",
            "error pulling image",
        ],
        lead: "The image[ {image}] of {who} could not be pulled",
        step: "Check Image in the task definition, that the execution role may pull it, and that the task's subnets reach \
               its registry[. It ran in {network}]",
        alert: "image cannot be pulled",
        ..ENTRY
    },
    // ---- Secrets, parameters, environment files ----
    CatalogueEntry {
        id: "secret-denied",
        says: &[
            "~failed to fetch secret {secret} from secrets manager*AccessDenied",
            "~secret {secret}: AccessDenied",
            "assumed-role/{role}/*not authorized to perform: secretsmanager:GetSecretValue on resource: {secret}",
            "not authorized to perform: secretsmanager:GetSecretValue on resource: {secret}",
            "not authorized to perform: secretsmanager:GetSecretValue",
            "~unable to retrieve secret from asm*AccessDenied",
            "~fetching secret data from AWS Secrets Manager*AccessDenied",
        ],
        lead: "The execution role[ {role}] of the task is not allowed to read the secret {secret|that the task names}",
        step: "Grant it secretsmanager:GetSecretValue[ on {secretArn}] (and kms:Decrypt, if a customer managed key \
               encrypts it); a secret in another account also needs a resource policy, and its key a key policy. If \
               AWS's message ends with another policy than an identity-based one (a VPC endpoint's, a boundary, an \
               explicit deny), change that one instead",
        alert: "secret cannot be read",
        ..ENTRY
    },
    CatalogueEntry {
        id: "parameter-denied",
        says: &[
            "assumed-role/{role}/*not authorized to perform: ssm:GetParameters on resource: {secret}",
            "not authorized to perform: ssm:GetParameters on resource: {secret}",
            "not authorized to perform: ssm:GetParameter",
            "~secrets from ssm*AccessDenied",
            "~fetching secret data from SSM*AccessDenied",
        ],
        lead: "The execution role[ {role}] of the task is not allowed to read the parameter {secret|that the task \
               names} of Parameter Store",
        step: "Grant it ssm:GetParameters[ on {secretArn}] (and kms:Decrypt, if a customer managed key encrypts it). \
               If AWS's message ends with another policy than an identity-based one (a VPC endpoint's, a boundary, \
               an explicit deny), change that one instead",
        alert: "secret cannot be read",
        ..ENTRY
    },
    CatalogueEntry {
        id: "secret-key-denied",
        says: &[
            "failed to fetch secret {secret} from secrets manager*assumed-role/{role}/*not authorized to perform: kms:Decrypt on resource: {kmsKey}",
            "assumed-role/{role}/*not authorized to perform: kms:Decrypt on resource: {kmsKey}",
            "assumed-role/{role}/*not authorized to perform: kms:Decrypt",
            "not authorized to perform: kms:Decrypt",
            "failed to fetch secret {secret} from secrets manager*Access to KMS is not allowed",
            "Access to KMS is not allowed",
            "AccessDeniedException: *ciphertext refers to a customer master key",
            "secret*KMSAccessDenied",
            "failed to fetch secret {secret} from secrets manager*KMSInvalidStateException",
            "secret*KMSInvalidStateException",
        ],
        lead: "The execution role[ {role}] of the task is not allowed to use the KMS key[ {kmsKey}] that encrypts its \
               secret[ {secret}]",
        step: "Grant it kms:Decrypt on that key in the role's policy, and also in the key's policy if the key is in \
               another account or its policy does not leave access to IAM. A secret in another account needs a \
               customer managed key. The key must be enabled (aws kms describe-key --key-id {kmsKeyArn|KEY})",
        alert: "secret cannot be read: KMS key",
        ..ENTRY
    },
    CatalogueEntry {
        id: "secret-deleted",
        says: &[
            "failed to fetch secret {secret} from secrets manager*marked for deletion",
            "secret {secret}: InvalidRequestException*marked for deletion",
            "failed to fetch secret {secret} from secrets manager*scheduled for deletion",
            "marked for deletion",
            "scheduled for deletion",
            "currently marked deleted",
        ],
        lead: "The secret {secret|that the task names} is scheduled for deletion, and cannot be read",
        step: "Restore it (aws secretsmanager restore-secret --secret-id {secretArn|SECRET}), or name another secret \
               in ValueFrom in the task definition",
        alert: "secret is scheduled for deletion",
        ..ENTRY
    },
    CatalogueEntry {
        id: "secret-not-found",
        says: &[
            "~failed to fetch secret {secret} from secrets manager*can't find the specified secret",
            "~retrieve the secret with ARN {secret} from",
            "~secret {secret}: ResourceNotFoundException",
            "~failed to fetch secret {secret} from secrets manager*ResourceNotFoundException",
            "~Secrets Manager can't find the specified secret",
            "invalid parameters: {secret}",
            "invalid ssm parameters: {secret}",
            "ParameterNotFound",
        ],
        lead: "The secret or parameter {secret|that the task definition names} does not exist",
        step: "Correct ValueFrom in the task definition, or create the secret. For Secrets Manager, compare the ARN \
               (aws secretsmanager describe-secret --secret-id NAME): one that was deleted and created again has \
               other last six characters. A name without an ARN means Parameter Store in the task's region and \
               account",
        alert: "secret cannot be read: not found",
        ..ENTRY
    },
    CatalogueEntry {
        id: "secret-field-missing",
        says: &[
            "failed to fetch secret {secret} from secrets manager*did not contain json key {key}",
            "did not contain json key {key}",
            "did not contain json key",
            "secret*invalid character *looking for beginning of value",
        ],
        lead: "The secret {secret|that the task names} has no JSON key[ {key}]",
        step: "Add that key to its value, which must be a JSON object (aws secretsmanager get-secret-value \
               --secret-id {secretArn|SECRET} shows it), or correct the key in ValueFrom in the task definition \
               (ARN:json-key:version-stage:version-id)",
        alert: "secret cannot be read: no such key",
        ..ENTRY
    },
    CatalogueEntry {
        id: "secret-version-missing",
        says: &[
            "failed to fetch secret {secret} from secrets manager*can't find the specified secret value for staging label: {version}",
            "failed to fetch secret {secret} from secrets manager*can't find the specified secret value for VersionId: {version}",
            "can't find the specified secret value for staging label: {version}",
            "Secrets Manager can't find the specified secret value",
        ],
        lead: "The secret {secret|that the task names} exists, but has no value[ of version {version}]",
        step: "Give it a value (aws secretsmanager put-secret-value --secret-id {secretArn|SECRET} --secret-string \
               VALUE), or correct the version in ValueFrom in the task definition \
               (ARN:json-key:version-stage:version-id)",
        alert: "secret cannot be read: no value",
        ..ENTRY
    },
    CatalogueEntry {
        id: "secret-unreachable",
        says: &[
            "failed to fetch secret {secret} from secrets manager*RequestCanceled",
            "failed to fetch secret {secret} from secrets manager*deadline exceeded",
            "failed to fetch secret {secret} from secrets manager*i/o timeout",
            "failed to fetch secret {secret} from secrets manager*send failed",
            "failed to fetch secret {secret} from secrets manager*send request failed",
            "failed to fetch secret {secret} from secrets manager*no such host",
            "The task cannot pull secrets from {service} ",
            "There is a connection issue between the task and AWS Secrets Manager",
            "There is a connection issue between the task and AWS Systems Manager",
            "unable to retrieve secret*RequestCanceled",
            "unable to retrieve secret*deadline exceeded",
            "unable to retrieve secret*i/o timeout",
            "unable to retrieve secret*send request failed",
            "unable to retrieve secret*request send failed",
            "unable to retrieve secret*no such host",
            "fetching secret data*i/o timeout",
            "fetching secret data*RequestCanceled",
            "fetching secret data*deadline exceeded",
            "network connection between the task and AWS Systems Manager",
        ],
        lead: "Secrets Manager or Parameter Store could not be reached from the task's network, so its secret \
               {secret|or parameter} was not read",
        step: "Give the task a route to the internet: AssignPublicIp: ENABLED in a public subnet; a NAT gateway in a private one, or the \
               VPC endpoints secretsmanager, ssm and kms, whose security group admits the task on port 443[. It ran in \
               {network}]",
        on_ec2: "Give the instances a route to the internet: a NAT gateway, or the VPC endpoints secretsmanager, ssm and kms, whose \
                 security group admits them on port 443[. It ran in {network}]",
        alert: "network cannot be reached (secrets)",
        ..ENTRY
    },
    CatalogueEntry {
        id: "registry-credentials-malformed",
        says: &[
            "unable to unmarshal secret value",
            "asm fetching*empty secrets value",
            "fetching username/password*malformed",
            "asm fetching authorization data*invalid schema",
        ],
        lead: "The secret in RepositoryCredentials does not have the form that ECS reads",
        step: "Store it in Secrets Manager as a JSON object with the members username and password",
        alert: "registry's secret is malformed",
        ..ENTRY
    },
    CatalogueEntry {
        id: "agent-throttled",
        says: &[
            "unable to retrieve secret*Throttling",
            "unable to retrieve ecr registry auth*Throttling",
            "unable to retrieve secret*Rate exceeded",
            "fetching secret data*Throttling",
            "Cloudwatch log*Throttling",
        ],
        lead: "AWS throttled the agent while it prepared {who}: too many tasks start at once",
        step: "[deploy: Deploy again, or set StartRetries][alert: Start it again (a service does that itself)]. If \
               it happens again, start fewer tasks at once, or raise the limit: the throughput of Parameter Store in \
               its settings, or the quotas of CreateLogStream, Secrets Manager or KMS in Service Quotas",
        alert: "AWS throttled the start",
        ..ENTRY
    },
    CatalogueEntry {
        id: "secret-other",
        rank: Rank::Area,
        says: &[
            "unable to retrieve secret*failed to fetch secret {secret} from secrets manager",
            "fetching secret data*secret {secret}:",
            "unable to retrieve secret",
            "fetching secret data",
            "unable to retrieve secrets from ssm",
        ],
        lead: "The secret {secret|that the task names} could not be read",
        step: "Check ValueFrom in the task definition, the execution role's policy, and that the task's subnets reach \
               Secrets Manager and Parameter Store[. It ran in {network}]",
        alert: "secret cannot be read",
        ..ENTRY
    },
    CatalogueEntry {
        id: "registry-credentials",
        says: &[
            "asm fetching secret from the service for {secret}:",
            "registry auth from asm",
        ],
        lead: "The secret of RepositoryCredentials[ {secret}] for the image[ {image}] of {who} could not be read",
        step: "Check CredentialsParameter in the task definition, grant secretsmanager:GetSecretValue on that secret \
               (and kms:Decrypt, for a customer managed key) to the execution role; its value must be JSON with \
               username and password",
        alert: "image cannot be pulled: its credentials",
        ..ENTRY
    },
    CatalogueEntry {
        id: "registry-auth",
        rank: Rank::Area,
        says: &[
            "unable to retrieve ecr registry auth",
            "cannot pull registry auth",
            "unable to retrieve registry auth",
        ],
        lead: "ECR gave the task no login to pull the image[ {image}] of {who}",
        step: "Check that the execution role has AmazonECSTaskExecutionRolePolicy, and that the task's subnets reach ECR: a \
               public address, a NAT gateway, or the VPC endpoints ecr.api, ecr.dkr and s3[. It ran in {network}]",
        alert: "registry cannot be reached",
        ..ENTRY
    },
    CatalogueEntry {
        id: "secrets-or-registry",
        rank: Rank::Prefix,
        says: &["unable to pull secrets or registry auth"],
        lead: "The task could read neither its secrets nor the login to pull its image[ {image}]: AWS's message ends \
               before it says which",
        step: "Check first that the task's subnets reach AWS (AssignPublicIp, a NAT gateway, or VPC endpoints for \
               ecr.api, ecr.dkr, s3, secretsmanager, ssm), then the execution role's policy[. It ran in {network}]",
        alert: "network or execution role",
        ..ENTRY
    },
    CatalogueEntry {
        id: "env-file-missing",
        says: &[
            "env file*{file}: NoSuchKey",
            "env file*NoSuchKey",
            "env file*NotFound",
            "env file*404",
            "env file {file} not found",
            "environment file*does not exist",
        ],
        lead: "The environment file[ {file}] of the task does not exist in S3",
        step: "Upload it, or correct EnvironmentFiles in the task definition[deploy:  (or in Overrides)]: \
               arn:aws:s3:::BUCKET/KEY.env",
        alert: "environment file missing",
        ..ENTRY
    },
    CatalogueEntry {
        id: "env-file-denied",
        says: &[
            "env file*403",
            "env file*AccessDenied",
            "env file*Forbidden",
        ],
        lead: "The execution role of the task is not allowed to read its environment file in S3, or the file does not \
               exist",
        step: "Grant it s3:GetObject on the file, s3:GetBucketLocation on its bucket and kms:Decrypt on a customer \
               managed key that encrypts it; the policies of the bucket and of an S3 endpoint must also allow it. \
               Then check EnvironmentFiles in the task definition (aws s3 ls s3://BUCKET/KEY.env shows whether the \
               file exists)",
        alert: "environment file cannot be read",
        ..ENTRY
    },
    CatalogueEntry {
        id: "env-file-unreachable",
        says: &[
            "env file*RequestCanceled",
            "env file*deadline exceeded",
            "env file*i/o timeout",
        ],
        lead: "S3 could not be reached from the task's network, so its environment file was not read",
        step: "Add the S3 gateway endpoint to the route tables of its subnets, or give it a NAT gateway or a public \
               address[. It ran in {network}]",
        alert: "network cannot be reached (S3)",
        ..ENTRY
    },
    CatalogueEntry {
        id: "env-file-other",
        rank: Rank::Area,
        says: &["failed to download env file", "env file"],
        lead: "An environment file of the task could not be read from S3",
        step: "Check EnvironmentFiles in the task definition, that the execution role has s3:GetObject on it, and that the \
               task's subnets reach S3[. It ran in {network}]",
        alert: "environment file cannot be read",
        ..ENTRY
    },
    // ---- Logs ----
    CatalogueEntry {
        id: "log-group-missing",
        says: &[
            "specified log group does not exist",
            "Cloudwatch log stream*ResourceNotFoundException",
            "log group {group} does not exist",
        ],
        lead: "The log group[ {group}] of {who} does not exist",
        step: "Create it in the region of awslogs-region, or set awslogs-create-group: \"true\" in its LogConfiguration \
               and grant logs:CreateLogGroup to the task's execution role",
        alert: "log group is missing",
        ..ENTRY
    },
    CatalogueEntry {
        id: "log-denied",
        says: &[
            "assumed-role/{role}/*not authorized to perform: logs:{action} on resource: {group}",
            "not authorized to perform: logs:{action} on resource: {group}",
            "not authorized to perform: logs:{action} ",
            "Cloudwatch log stream*AccessDenied",
            "Cloudwatch log group*AccessDenied",
        ],
        lead: "The execution role[ {role}] of the task is not allowed to write to the log group[ {group}] of {who}",
        step: "Grant it (on EC2 without one the instance's role) logs:CreateLogStream and logs:PutLogEvents there[ \
               (it lacks logs:{action})], and logs:CreateLogGroup where awslogs-create-group is set. If AWS's \
               message ends with another policy than an identity-based one (a VPC endpoint's, a boundary, an \
               explicit deny), change that one instead",
        alert: "log cannot be written",
        ..ENTRY
    },
    CatalogueEntry {
        id: "log-unreachable",
        says: &[
            "There is a connection issue between the task and Amazon CloudWatch",
            "validate logger args: : signal: killed",
            "~validate logger args*signal: killed",
            "Cloudwatch log*i/o timeout",
            "Cloudwatch log*RequestError",
            "Cloudwatch log*RequestCanceled",
            "Cloudwatch log*send request failed",
            "Cloudwatch log*request send failed",
            "Cloudwatch log*deadline exceeded",
            "Cloudwatch log*no such host",
            "Cloudwatch log*connection refused",
        ],
        lead: "CloudWatch Logs could not be reached from the task's network, so {who} was not started",
        step: "Give the task a route to the internet: AssignPublicIp: ENABLED in a public subnet, a NAT gateway in a private one, or the \
               VPC endpoint logs, whose security group admits the task on port 443. Allow outbound 443 in the task's security \
               group, and check the log group's name[ {group}][. It ran in {network}]",
        on_ec2: "Give the instances a route to the internet: a NAT gateway, or the VPC endpoint logs, whose security group admits \
                 them on port 443; check awslogs-region[ and the log group's name {group}] too[. It ran in {network}]",
        alert: "network cannot be reached (CloudWatch Logs)",
        ..ENTRY
    },
    CatalogueEntry {
        id: "log-collector-unreachable",
        says: &[
            "initialize logging driver: dial unix {address}: ",
            "initialize logging driver: dial tcp: lookup {address} on",
            "initialize logging driver: dial tcp: lookup {address}: ",
            "initialize logging driver: dial tcp {address}: ",
            "initialize logging driver: dial udp {address}: ",
            "initialize logging driver: Options {address}: ",
            "initialize logging driver: Post {address}: ",
            "validate logger args: Options {address}: ",
            "cannot connect to GELF endpoint: {address}",
            "splunk: failed to verify connection",
            "~initialize logging driver*i/o timeout",
            "~initialize logging driver*connection refused",
            "~initialize logging driver*no such host",
            "~initialize logging driver*deadline exceeded",
            "journald is not enabled on this host",
            "~validate logger args*splunk",
            "~initialize logging driver: EOF",
        ],
        lead: "The log driver[ {driver}] of {who} could not reach its collector[ ({address})], and Docker does not \
               start a container without its log driver",
        step: "Start the collector before the task (fluentd or Fluent Bit as a daemon service on each instance; with \
               awsfirelens, make the container depend on the log router in DependsOn). Check its address in Options \
               of LogConfiguration (fluentd-address, splunk-url). With fluentd-async: \"true\", the container starts \
               even if fluentd is down",
        alert: "log collector cannot be reached",
        ..ENTRY
    },
    CatalogueEntry {
        id: "log-options",
        says: &[
            "unknown log opt {option} for",
            "must specify a value for log opt",
            "unknown log opt",
            "logger: no log driver named",
            "splunk-{option} is expected",
            "{option} is required*awslogs",
            "unable to get awslogs driver arguments",
        ],
        lead: "The LogConfiguration of {who} has an option[ {option}] that its log driver does not know, or lacks a \
               required one",
        step: "Correct LogConfiguration: Options in the task definition; awslogs needs awslogs-group, awslogs-region and \
               awslogs-stream-prefix",
        alert: "log options are wrong",
        ..ENTRY
    },
    CatalogueEntry {
        id: "log-options-missing",
        says: &["no log configuration specified"],
        lead: "{Who} uses the log driver awsfirelens, but its LogConfiguration has no options, so it was not started",
        step: "Add Options to the LogConfiguration of that container: at least Name, which selects the output plugin \
               of Fluent Bit",
        alert: "log options are missing",
        ..ENTRY
    },
    CatalogueEntry {
        id: "log-credentials",
        says: &[
            "~initialize logging driver*no EC2 IMDS role found",
            "~initialize logging driver*NoCredentialProviders",
            "~initialize logging driver*failed to refresh cached credentials",
        ],
        lead: "The container instance has no credentials for CloudWatch Logs, so {who} was not started",
        step: "Give the instance an instance profile with logs:CreateLogStream and logs:PutLogEvents, or set \
               ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE=true in /etc/ecs/ecs.config, for the task's execution role",
        alert: "log driver has no credentials",
        ..ENTRY
    },
    CatalogueEntry {
        id: "log-driver",
        rank: Rank::Area,
        says: &["initialize logging driver", "validate logger args"],
        lead: "The log driver[ {driver}] of {who} could not be set up",
        step: "Check LogConfiguration in the task definition: for another driver than awslogs, that its collector runs \
               and answers. For awslogs, that the log group[ {group}] exists in awslogs-region, that the execution \
               role may write to it, and that the task's subnets reach CloudWatch Logs[. It ran in {network}]",
        alert: "log driver cannot start",
        ..ENTRY
    },
    CatalogueEntry {
        id: "firelens",
        says: &[
            "firelens*config",
            "unable to generate firelens config",
            "firelens configuration",
        ],
        lead: "FireLens could not create the configuration of its log router",
        step: "Check FirelensConfiguration of the log router and the log Options of the containers that use \
               awsfirelens; a configuration file in S3 needs s3:GetObject and s3:GetBucketLocation on the execution \
               role",
        alert: "log router cannot start",
        ..ENTRY
    },
    // ---- Volumes ----
    CatalogueEntry {
        id: "fsx-not-found",
        says: &[
            "fsx describing filesystem*for [{filesystem}]*does not exist",
            "FileSystemNotFound",
        ],
        lead: "The FSx file system[ {filesystem}] of the task does not exist",
        step: "Correct FileSystemId in FSxWindowsFileServerVolumeConfiguration: it must be in the task's region and account",
        alert: "file system does not exist (FSx)",
        ..ENTRY
    },
    CatalogueEntry {
        id: "fsx-other",
        rank: Rank::Area,
        says: &["fsx describing filesystem", "fsx:", "FSxWindowsFileServer"],
        lead: "An FSx volume of the task could not be mounted",
        step: "Check FileSystemId, the credentials in AuthorizationConfig, and that the instance is in the file system's domain and \
               reaches it on port 445",
        alert: "volume cannot be mounted (FSx)",
        ..ENTRY
    },
    CatalogueEntry {
        id: "efs-unreachable",
        says: &[
            "EFS utils*Connection timed out",
            "EFS utils*timeout after",
            "EFS utils*Connection refused",
            "EFS utils*Connection reset by peer",
            "EFS utils*No route to host",
            "mount.nfs4: Connection timed out",
            "mount.nfs4: Connection refused",
            "mount.nfs4: No route to host",
        ],
        lead: "The EFS file system[ {filesystem}] of the task could not be reached",
        step: "Admit the task's security group (on EC2 without awsvpc, the instance's) on port 2049 (NFS) in the \
               security group of the mount targets. Each Availability Zone of the task's subnets needs a mount \
               target[. It ran in {network}]",
        alert: "EFS cannot be reached",
        ..ENTRY
    },
    CatalogueEntry {
        id: "efs-not-resolved",
        says: &[
            "EFS utils*Failed to resolve {filesystem} -",
            "EFS utils*Failed to resolve {filesystem}",
        ],
        lead: "The name of the EFS file system[ {filesystem}] of the task could not be resolved in its VPC",
        step: "Check FilesystemId in the task definition, create a mount target in the Availability Zone of each of \
               the task's subnets, and turn on DNS hostnames and DNS support in the VPC",
        alert: "EFS cannot be reached",
        ..ENTRY
    },
    CatalogueEntry {
        id: "efs-denied",
        says: &[
            "EFS utils*access denied by server",
            "EFS utils*AccessDenied",
            "EFS utils*Operation not permitted",
        ],
        lead: "The EFS file system[ {filesystem}] refused the task",
        step: "Set AuthorizationConfig: IAM: ENABLED and TransitEncryption: ENABLED on the volume, grant \
               elasticfilesystem:ClientMount and ClientWrite to the task role (TaskRoleArn), and check the file \
               system's policy and the access point",
        alert: "EFS access denied",
        ..ENTRY
    },
    CatalogueEntry {
        id: "efs-owner",
        says: &[
            "failed to copy file info*operation not permitted",
            "failed to chown*operation not permitted",
        ],
        lead: "Docker could not change the owner of a volume of {who} to match the directory in the image; on EFS, \
               the access point's PosixUser prevents that",
        step: "Use an access point without PosixUser (an existing one cannot be changed, only replaced), or set \
               ContainerPath in MountPoints to a path that the image does not have",
        alert: "EFS access point prevents chown",
        ..ENTRY
    },
    CatalogueEntry {
        id: "efs-path-missing",
        says: &["mounting {filesystem} failed, reason given by server: No such file or directory"],
        lead: "The directory that the task mounts does not exist on EFS ({filesystem})",
        step: "Create it on the file system, use an access point that creates it, or correct RootDirectory in the \
               task definition",
        alert: "EFS directory missing",
        ..ENTRY
    },
    CatalogueEntry {
        id: "efs-other",
        rank: Rank::Area,
        says: &["EFS utils", "mount.nfs4"],
        lead: "An EFS volume of the task could not be mounted",
        step: "Check FilesystemId and access point, port 2049 between the task's security group and the mount targets, and \
               a mount target in the Availability Zone of each of the task's subnets[. It ran in {network}]",
        alert: "EFS cannot be mounted",
        ..ENTRY
    },
    CatalogueEntry {
        id: "ebs-role",
        says: &["unable to assume the configured ECS Infrastructure Role {role}."],
        lead: "ECS could not assume the infrastructure role[ {role}] for the task's EBS volume",
        step: "Let its trust policy name ecs.amazonaws.com, and attach AmazonECSInfrastructureRolePolicyForVolumes to \
               it[deploy: ; grant iam:PassRole on it to the role of the function; a role that is minutes old may work \
               at the next deploy]",
        alert: "EBS volume role",
        ..ENTRY
    },
    CatalogueEntry {
        id: "ebs-key",
        says: &["IdempotentParameterMismatch*client token"],
        lead: "The KMS key of the task's EBS volume is invalid, or its key policy does not let the infrastructure \
               role (RoleArn) use it",
        step: "Correct KmsKeyId (in VolumeConfigurations, or in ManagedStorageConfiguration of the cluster), and \
               allow the infrastructure role kms:DescribeKey, kms:GenerateDataKeyWithoutPlaintext, kms:CreateGrant \
               and, for an encrypted snapshot, kms:ReEncrypt* and kms:Decrypt in the key's policy. AWS's client \
               token is not the cause",
        alert: "EBS volume's KMS key",
        ..ENTRY
    },
    CatalogueEntry {
        id: "ebs-timeout",
        says: &[
            "EBS volume*timed out",
            "timed out while configuring the EBS",
            "timed out*EBS volume",
        ],
        lead: "ECS ran out of time while it prepared the EBS volume of the task",
        step: "[deploy: Deploy again, or set StartRetries: 2][alert: Start it again (a service does that itself)]; if it \
               happens again, check FilesystemType for the task's operating system, and the size of the snapshot",
        alert: "EBS volume took too long",
        ..ENTRY
    },
    CatalogueEntry {
        id: "ebs-volume",
        rank: Rank::Likely,
        says: &[
            "ECS failed to set up the EBS volume",
            "configuring the EBS volume attachment",
            "EBS volume*attach",
        ],
        lead: "The EBS volume of the task could not be created or attached",
        step: "Check VolumeConfigurations: the KMS key and its policy, the snapshot, FilesystemType for the task's \
               operating system, and the permissions of its role",
        alert: "EBS volume cannot be attached",
        ..ENTRY
    },
    CatalogueEntry {
        id: "volume-other",
        rank: Rank::Area,
        says: &["CannotCreateVolume", "failed to mount local volume"],
        lead: "A volume of the task could not be created",
        step: "Check Volumes and MountPoints in the task definition: driver, driver options, and the host path",
        alert: "volume cannot be created",
        ..ENTRY
    },
    // ---- Network interfaces ----
    CatalogueEntry {
        id: "subnet-full",
        says: &[
            "in subnet {subnet}: InsufficientFreeAddresses",
            "InsufficientFreeAddresses",
            "insufficient free addresses in subnet",
            "not enough free addresses in subnet {subnet}",
            "~Create Network Interface with public IP assignment enabled in subnet {subnet}",
        ],
        lead: "No address is free in the task's subnet[ {subnet}]",
        step: "Name more or larger subnets in NetworkConfiguration, or free addresses: every task of network mode \
               awsvpc takes one until it is STOPPED[ (aws ec2 describe-subnets --subnet-ids {subnet} shows \
               AvailableIpAddressCount)][. It was to run in {network}]",
        alert: "no free address in the subnet",
        ..ENTRY
    },
    CatalogueEntry {
        id: "eni-limit",
        says: &[
            "NetworkInterfaceLimitExceeded",
            "AttachmentLimitExceeded",
            "maximum number of network interfaces",
        ],
        lead: "The account's or the instance's limit of network interfaces is reached",
        step: "Raise the quota Network interfaces per Region (Amazon VPC) in Service Quotas, or stop tasks; on EC2 \
               switch on the account setting awsvpcTrunking and replace the instances",
        alert: "limit of network interfaces",
        ..ENTRY
    },
    CatalogueEntry {
        id: "eni-tag-policy",
        says: &["attempting to*network interface*TagPolicyViolation"],
        lead: "A tag policy of the organization rejected the tags of the task's network interface",
        step: "Give the task the required tags (Tags, PropagateTags, EnableECSManagedTags), or exempt \
               ec2:network-interface in the policy",
        alert: "tags of the network interface",
        ..ENTRY
    },
    CatalogueEntry {
        id: "eni-denied",
        says: &[
            "attempting to*network interface*UnauthorizedOperation",
            "attempting to*network interface*AuthFailure",
            "attempting to*network interface*AccessDenied",
        ],
        lead: "EC2 did not allow ECS to create the task's network interface",
        step: "Check that AWSServiceRoleForECS exists (aws iam get-role --role-name AWSServiceRoleForECS), that a \
               shared subnet is still shared with this account (AWS RAM), and the errorMessage of \
               CreateNetworkInterface in CloudTrail's event history",
        alert: "network interface denied",
        ..ENTRY
    },
    CatalogueEntry {
        id: "eni-slow",
        says: &[
            "Timeout waiting for network interface provisioning",
            "timeout waiting for network interface",
            "~unable to attach network interface",
            "Network interface provision complete",
        ],
        lead: "The task's network interface was not ready in time",
        step: "[deploy: Deploy again, or set StartRetries: 2][alert: Start it again (a service does that \
               itself)]; if it happens again, check the free addresses of its subnets and the AWS Health Dashboard[. \
               It was to run in {network}]",
        alert: "no network interface",
        ..ENTRY
    },
    CatalogueEntry {
        id: "eni-unused-index",
        says: &["attach network interface to unused device index"],
        lead: "The container instance has no place left for the task's network interface",
        step: "Add instances, use a larger instance type, or switch on the account setting awsvpcTrunking and replace \
               the instances",
        alert: "no network interface",
        ..ENTRY
    },
    CatalogueEntry {
        id: "eni-other",
        rank: Rank::Area,
        says: &[
            "network interface",
            "failed to configure ENI",
            "failed to setup regular eni",
        ],
        lead: "The task got no network interface",
        step: "Check that its subnets have free addresses and its security groups exist in their VPC; then [deploy: \
               deploy again, or set StartRetries: 2][alert: start it again (a service does that \
               itself)][. It was to run in {network}]",
        alert: "no network interface",
        ..ENTRY
    },
    // ---- Containers that cannot be started ----
    CatalogueEntry {
        id: "program-file-missing",
        logs: &[
            "Cannot find module /{path}$",
            "Cannot find module /{path} imported from",
            "Cannot find module ./",
            "Cannot find module ../",
            "can't open file /{path}: [Errno 2]",
            "can't open file *[Errno 2]",
            "cannot load such file -- /{path}",
        ],
        lead: "The file[ /{path}], which the program of {who} tries to load, is not in the image[ (exit code {code})]",
        step: "Copy it into the image (COPY in the Dockerfile, .dockerignore, the build's output directory), or correct the \
               path in Command in the task definition[deploy:  (or in Overrides)]",
        alert: "file is not in the image",
        ..RAN
    },
    CatalogueEntry {
        id: "module-missing",
        logs: &[
            "Cannot find module {module}",
            "Cannot find package {module} imported from",
            "No module named {module}",
            "cannot load such file -- {module}",
            "Could not find {module} in locally installed gems",
            "Could not find or load main class {module}",
        ],
        lead: "The module[ {module}], which the program of {who} tries to load, is not in the image[ (exit code \
               {code})]",
        step: "Add it to the dependencies that the image's build installs (package.json, but not devDependencies; \
               requirements.txt; Gemfile), and rebuild the image",
        alert: "module is not in the image",
        ..RAN
    },
    CatalogueEntry {
        id: "variable-missing",
        logs: &[
            "Environment variable not found: {variable}",
            "environment variable {variable} is not set",
            "environment variable {variable} not set",
            "environment variable {variable} must be set",
            "environment variable {variable} is required",
            "environment variable {variable} is missing",
            "Missing required environment variable: {variable}",
            "Missing required environment variable {variable}",
            "Missing environment variable: {variable}",
            "Missing environment variable {variable}",
            "Set the {variable} environment variable",
            "{variable}: unbound variable",
            "{variable}: parameter not set",
            "The {variable} setting must not be empty",
            "Could not resolve placeholder {variable} in",
        ],
        lead: "{Who} exited with code {code}: an environment variable that its program needs is not set[ ({variable})]",
        step: "Set it in Environment or Secrets of the container in the task definition; its name must match the \
               program's letter for letter",
        alert: "environment variable not set",
        ..RAN
    },
    CatalogueEntry {
        id: "usage",
        logs: &[
            "unrecognized arguments: {argument}",
            "unrecognized option {argument}",
            "unknown option {argument}",
            "unknown flag: {argument}",
            "unknown shorthand flag: {argument}",
            "invalid option -- {argument}",
            "No such option: {argument}",
            "unexpected argument {argument}",
            "unknown command: {argument}",
            "unknown command {argument}",
            "No such command {argument}",
            "Command {argument} is not defined",
            "Missing script: {argument}",
            "Don't know how to build task {argument}",
            "the following arguments are required: {argument}",
        ],
        lead: "{Who} exited with code {code}: its program did not accept its arguments[ ({argument})]",
        step: "Correct Command in the task definition[deploy:  (or Command in Overrides)]: one argument per item, and only \
               those that this version of the program has",
        alert: "arguments not accepted",
        ..RAN
    },
    CatalogueEntry {
        id: "library-missing",
        logs: &[
            "error while loading shared libraries: {library}: cannot open",
            "Error loading shared library {library}:",
            "version {library} not found (required by",
            "{library}: cannot open shared object file",
        ],
        // Windows: STATUS_DLL_NOT_FOUND, STATUS_DLL_INIT_FAILED, STATUS_ENTRYPOINT_NOT_FOUND.
        codes: &[
            3_221_225_781,
            3_221_225_794,
            3_221_225_785,
            -1_073_741_515,
            -1_073_741_502,
            -1_073_741_511,
        ],
        lead: "{Who} exited with code {code}: a shared library (DLL) that its program needs is not in the image[ \
               ({library})]",
        step: "Install the library in the image (Windows: often the Visual C++ runtime), or build the program on the \
               same base image that it runs on",
        alert: "library is not in the image",
        ..RAN
    },
    CatalogueEntry {
        id: "java-version",
        logs: &[
            "UnsupportedClassVersionError",
            "has been compiled by a more recent version of the Java Runtime",
        ],
        lead: "{Who} exited with code {code}: its program was compiled for a newer Java than the image has",
        step: "Take a base image with that Java version, or compile with an older --release",
        alert: "image's Java is too old",
        ..RAN
    },
    CatalogueEntry {
        id: "log-router-config",
        logs: &[
            "configuration file contains errors, aborting",
            "is not valid in the main configuration file",
        ],
        lead: "{Who}, the log router, exited with code {code}: its Fluent Bit configuration is not valid",
        step: "Correct the file that config-file-value of FirelensConfiguration names (a PARSER belongs in a file of \
               its own, which parsers_file in SERVICE names) and the options of LogConfiguration",
        alert: "log router's configuration",
        ..RAN
    },
    CatalogueEntry {
        id: "encryption-key",
        logs: &[
            "MessageEncryptor::InvalidMessage",
            "EncryptedFile::MissingKeyError",
            "Missing encryption key to decrypt file with",
            "Encryptor::DecryptionError",
        ],
        lead: "{Who} exited with code {code}: its encryption key is missing, or does not fit its encrypted credentials \
               file",
        step: "Set RAILS_MASTER_KEY in Secrets of the container to the key that encrypted the file in the image (for \
               config/credentials/production.yml.enc it is production.key, not master.key)",
        alert: "encryption key does not fit",
        ..RAN
    },
    CatalogueEntry {
        id: "region-missing",
        logs: &[
            "You must specify a region",
            "NoRegionError",
            "Missing region in config",
            "ConfigError: Region is missing",
            "Region is missing",
            "Unable to load region from any of the providers",
            "Invalid Configuration: Missing Region",
        ],
        lead: "{Who} exited with code {code}: its program does not know its AWS region",
        step: "Set AWS_REGION (older SDKs: AWS_DEFAULT_REGION) in Environment of the container in the task definition; \
               ECS sets it on Fargate alone",
        alert: "program has no AWS region",
        ..RAN
    },
    CatalogueEntry {
        id: "command-not-found",
        class: FailureClass::Container,
        says: &[
            "exec: {command}: executable file not found in $PATH",
            "executable file not found",
            "exec {command}: no such file or directory",
            "exec: {command}: stat {path}: no such file or directory",
            "exec: {command}: no such file or directory",
            "encountered an error during*CreateProcess*The system cannot find the {what} specified",
        ],
        logs: &[
            "{command} is not recognized as an internal or external command",
            "{command}: command not found",
            "{command}: not found$",
            "exec user process caused*no such file or directory",
            "^exec {command}: no such file or directory",
        ],
        // Shells exit with 127 if they do not find a command.
        codes: &[127],
        lead: "The command[ {command}] was not found in the image of {who}[ (exit code {code})]",
        step: "Correct EntryPoint and Command in the task definition[deploy:  (or Command in Overrides)]: a list with \
               one argument per item, the program first; then check the image's PATH. If it is a script that exists, \
               install its #! interpreter, or remove its Windows line endings (CRLF; dos2unix)",
        alert: "command is not in the image",
        ..ENTRY
    },
    CatalogueEntry {
        id: "command-not-executable",
        class: FailureClass::Container,
        says: &[
            "exec: {command}: permission denied",
            "exec {command}: permission denied",
            "~exec: {command}: is a directory: permission denied",
            "~exec*permission denied",
            "encountered an error during*CreateProcess*Access is denied",
        ],
        // Shells exit with 126 if they find a command and must not execute it.
        codes: &[126],
        lead: "The command[ {command}] of {who} cannot be executed[ (exit code {code})]",
        step: "Make it executable in the image (chmod +x), check that it is a program and not a directory, and that the \
               container's User may run it",
        alert: "command cannot be executed",
        ..ENTRY
    },
    CatalogueEntry {
        id: "user-not-found",
        says: &[
            "unable to find user {user}:",
            "unable to find user",
            "unable to find group",
            "no matching entries in passwd file",
        ],
        lead: "The user[ {user}] that {who} is to run as does not exist in its image",
        step: "Correct User in the task definition, give the uid as a number, or add the user in the Dockerfile",
        alert: "user is not in the image",
        ..ENTRY
    },
    CatalogueEntry {
        id: "working-directory",
        says: &[
            "chdir to cwd ({directory})",
            "chdir to cwd",
            "mkdir {directory}: permission denied",
            "Cwd must be an absolute path",
        ],
        lead: "The working directory[ {directory}] of {who} cannot be used",
        step: "Correct WorkingDirectory in the task definition, or create the directory in the Dockerfile, and let \
               User access it",
        alert: "working directory",
        ..ENTRY
    },
    CatalogueEntry {
        id: "mount-mismatch",
        says: &[
            "error mounting {source} to rootfs at {path}:",
            "error mounting*not a directory",
            "mount a directory onto a file",
            "error mounting",
        ],
        lead: "The volume[ {source}] of {who} cannot be mounted[ at {path}] as the task definition says",
        step: "A directory mounts only onto a directory, and a file only onto a file: make sure that Host: \
               SourcePath in Volumes and ContainerPath in MountPoints both exist and are of the same kind",
        alert: "volume cannot be mounted",
        ..ENTRY
    },
    CatalogueEntry {
        id: "read-only-root",
        class: FailureClass::Container,
        says: &["read-only file system"],
        logs: &["Read-only file system", "EROFS:"],
        lead: "{Who} wrote to a file system that is read-only[ (exit code {code})]",
        step: "If the path is on a volume, set ReadOnly: false in MountPoints. Otherwise, mount a volume there, or \
               set ReadonlyRootFilesystem: false in the task definition",
        alert: "read-only file system",
        ..ENTRY
    },
    CatalogueEntry {
        id: "database-disk-full",
        logs: &[
            "could not extend file",
            "could not write to file base/",
            "could not write block",
            "DiskFull",
            "SQLSTATE 53100",
            "SQLSTATE[53100]",
            "ERROR 1114 (",
            "(errno: 1114",
            "The table {table} is full",
            "/rdsdbdata/*No space left on device",
        ],
        lead: "{Who} exited with code {code}: the database's disk is full (not the task's)",
        step: "On RDS, raise AllocatedStorage, or switch on storage autoscaling (MaxAllocatedStorage). On Aurora, \
               the local storage for temporary files is full (metric FreeLocalStorage): use a larger instance class, \
               or do the work in batches",
        alert: "database's disk is full",
        ..RAN
    },
    CatalogueEntry {
        id: "file-watchers",
        class: FailureClass::Container,
        logs: &["number of file watchers reached", "inotify"],
        lead: "{Who} could not watch its files[ (exit code {code})], because its host allows no more watchers",
        step: "Start the program without watching files (not its development server), or let it poll them",
        alert: "too many file watchers",
        ..ENTRY
    },
    CatalogueEntry {
        id: "disk-full",
        class: FailureClass::Container,
        says: &[
            "~no space left on device",
            "~not enough space on the disk",
            "~disk quota exceeded",
        ],
        logs: &[
            "~no space left on device",
            "ENOSPC",
            "not enough space on the disk",
            "Disk quota exceeded",
            "database or disk is full",
        ],
        lead: "The disk of the task is full[ (container {container}[, exit code {code}])]",
        step: "Set EphemeralStorage: SizeInGiB in the task definition (21 to 200[deploy: ; Overrides can set it for \
               one run]), keep large data on a volume (EFS, EBS), or write less",
        on_ec2: "Drain and replace the instance, or free its disk (docker system df shows what fills it), give the \
                 instances larger volumes, or write less",
        alert: "disk full",
        ..ENTRY
    },
    CatalogueEntry {
        id: "port-taken",
        says: &[
            "Bind for {address} failed: port is already allocated",
            "listen tcp {address}: bind: address already in use",
            "address already in use",
            "port is already allocated",
            "already using a port required by your task",
            "driver failed programming external connectivity",
        ],
        lead: "A host port[ ({address})] that {who} maps is already in use on its instance",
        step: "Map HostPort: 0 in network mode bridge, use network mode awsvpc, or stop what holds the port (sudo ss \
               -ltnp on the instance shows it)",
        alert: "port is taken",
        ..ENTRY
    },
    CatalogueEntry {
        id: "device-driver",
        says: &[
            "nvidia-container-cli: initialization error",
            "nvidia-container-cli*timed out",
            "nvidia-container-cli*driver",
        ],
        lead: "The NVIDIA driver of the container instance does not work, so {who} was not started",
        step: "Run nvidia-smi on the instance: if it fails, replace it with one that runs the newest ECS \
               GPU-optimized AMI",
        alert: "GPU driver does not work",
        ..ENTRY
    },
    CatalogueEntry {
        id: "device-missing",
        says: &[
            "gathering device information while adding custom device {device}:",
            "error gathering device information",
            "could not select device driver",
            "~nvidia-container-cli",
        ],
        lead: "The container instance does not have the device[ {device}] that {who} asks for",
        step: "Run it on instances that have it (for GPUs the ECS GPU-optimized AMI and ResourceRequirements), or correct \
               LinuxParameters: Devices",
        alert: "device is missing",
        ..ENTRY
    },
    CatalogueEntry {
        id: "dependency-timeout",
        says: &[
            "ordering dependency [{dependency}(*has timed out",
            "ordering dependency*has timed out",
        ],
        lead: "{Who} was not started: it depends on container {dependency|in its DependsOn}, which was not ready \
               within its StartTimeout",
        step: "See the log of container {dependency|named under DependsOn}: it did not reach its Condition (SUCCESS, \
               COMPLETE or HEALTHY) in time; raise its StartTimeout in the task definition only if it is just slow",
        alert: "a container that others depend on was not ready",
        ..ENTRY
    },
    CatalogueEntry {
        id: "dependency-failed",
        says: &[
            "~ordering dependency [{dependency}(",
            "~Dependency container {dependency} did not",
            "~Failed container ordering",
            "~dependency*failed to",
            "~ordering dependency",
        ],
        lead: "{Who} was not started, because container {dependency|in its DependsOn} failed or never started",
        step: "See the exit code and the log of container {dependency|named under DependsOn}: it did not reach its \
               Condition (START, SUCCESS, COMPLETE or HEALTHY)",
        alert: "a container that others depend on failed",
        ..ENTRY
    },
    CatalogueEntry {
        id: "runtime-timeout",
        says: &[
            "ContainerRuntimeTimeout",
            "DockerTimeoutError",
            "Could not transition to running",
            "Could not transition to created",
        ],
        lead: "The container runtime did not bring {who} up in time",
        step: "[deploy: Deploy again, or set StartRetries: 2][alert: Start it again (a service does that \
               itself)]; if it happens again, make the image smaller, raise the task's Cpu, or look for a log driver \
               or volume that hangs",
        on_ec2: "[deploy: Deploy again][alert: Start it again (a service does that itself)]; if it happens again, look \
                 at Docker and the disk of the instance (docker ps, df -h, journalctl -u docker), make the image \
                 smaller, or replace the instance",
        alert: "container runtime timed out",
        ..ENTRY
    },
    CatalogueEntry {
        id: "container-stop",
        class: FailureClass::Container,
        says: &["CannotStopContainer", "failed sending SIGTERM"],
        lead: "The container runtime could not stop {who}",
        step: "Check that its program handles SIGTERM within StopTimeout; on EC2, look at Docker too (journalctl -u \
               docker)",
        alert: "container cannot be stopped",
        ..ENTRY
    },
    CatalogueEntry {
        id: "container-inspect",
        rank: Rank::Area,
        says: &[
            "CannotInspectContainer",
            "CannotDescribeContainer",
            "failed to get container status",
        ],
        lead: "The container runtime could not describe {who}: it was overloaded, or the container was killed for \
               lack of memory",
        step: "[deploy: Deploy again][alert: Start it again (a service does that itself)]. If it happens again, \
               compare its memory in Container Insights with Memory in the task definition; on EC2, check Docker and \
               the disk (journalctl -u docker, df -h)",
        alert: "container runtime failed",
        ..ENTRY
    },
    CatalogueEntry {
        id: "host-path-missing",
        says: &[
            "bind source path does not exist: {path}",
            "bind source path does not exist",
        ],
        lead: "The directory[ {path}] of a volume does not exist on the container instance, so {who} was not started",
        step: "Create it on each instance (user data), or correct Host: SourcePath in Volumes of the task definition",
        alert: "directory is missing on its host",
        ..ENTRY
    },
    CatalogueEntry {
        id: "ulimit-too-high",
        says: &["error setting rlimit"],
        lead: "A Ulimit of {who} is higher than the container instance allows, so it was not started",
        step: "Lower HardLimit and SoftLimit in Ulimits of the task definition, or raise the limit of Docker on the instance",
        alert: "ulimit is too high",
        ..ENTRY
    },
    CatalogueEntry {
        id: "container-runtime",
        rank: Rank::Prefix,
        says: &[
            "ContainerRuntimeError",
            "CannotStartContainer",
            "CannotCreateContainer",
            "OCI runtime",
            "failed to create container",
        ],
        lead: "The container runtime could not start {who}",
        step: "Read AWS's message, which names the setting: usually EntryPoint, Command, MountPoints, User or \
               LinuxParameters in the task definition",
        alert: "container cannot be started",
        ..ENTRY
    },
    CatalogueEntry {
        id: "internal-error",
        rank: Rank::Area,
        says: &["InternalError", "Internal error"],
        lead: "ECS reports an error of its own",
        step: "[deploy: Deploy again, or set StartRetries: 2][alert: Start it again (a service does that \
               itself)]; if it happens again, check that Fargate serves the Availability Zones of the task's subnets, \
               then ask AWS Support",
        alert: "internal error of ECS",
        ..ENTRY
    },
    CatalogueEntry {
        id: "ephemeral-storage",
        says: &["waiting for EphemeralStorage provisioning"],
        lead: "Fargate did not provide the task's ephemeral storage in time, so the task was not started",
        step: "[deploy: Deploy again, or set StartRetries: 2][alert: Start it again (a service does that itself)]. If it \
               happens again, ask for less EphemeralStorage in the task definition, or ask AWS Support",
        alert: "ephemeral storage not provided",
        ..ENTRY
    },
    CatalogueEntry {
        id: "instance-role-denied",
        says: &[
            "launch instance(s) for capacity provider {provider}. *assumed-role/{role}/*not authorized to perform: \
             {action} on resource: {on} ",
            "launch instance(s) for capacity provider {provider}. *not authorized",
        ],
        lead: "ECS could not launch an instance for the capacity provider {provider}: its infrastructure role[ {role}] is not \
               allowed[ {action}]",
        step: "Allow {action|the call that AWS's message names}[ on {onArn}] to the infrastructure role of the \
               capacity provider; AmazonECSInfrastructureRolePolicyForManagedInstances has it, but iam:PassRole only \
               on roles whose names begin with ecsInstanceRole",
        alert: "infrastructure role lacks a permission",
        ..ENTRY
    },
    CatalogueEntry {
        id: "instance-launch",
        rank: Rank::Area,
        says: &[
            "launch instance(s) for capacity provider {provider}. ",
            "launch instance(s) for capacity provider",
        ],
        lead: "ECS could not launch an instance for the capacity provider[ {provider}]",
        step: "AWS's message is EC2's answer: correct the capacity provider's instance requirements, subnets or \
               roles, or raise the vCPU quota of EC2 in Service Quotas",
        alert: "no instance could be launched",
        ..ENTRY
    },
    CatalogueEntry {
        id: "resource-initialization",
        // Agents put this in front of many causes, so any other text decides first.
        rank: Rank::Frame,
        says: &["ResourceInitializationError", "ResourceNotFoundException"],
        lead: "The agent could not prepare what the task needs before its containers start",
        step: "Read AWS's message, which names the resource; check its name, the execution role, and that the task's \
               subnets reach it[. It ran in {network}]",
        alert: "resources cannot be initialized",
        ..ENTRY
    },
    // ---- How a task ended ----
    CatalogueEntry {
        id: "memory-too-small",
        says: &[
            "OOM-killed (memory limit too low",
            "container init was OOM-killed",
            "Minimum memory limit allowed is",
            "unable to set memory limit to",
            "memory.limit_in_bytes*device or resource busy",
            "to memory.memsw.limit_in_bytes",
            "CannotStart*cannot allocate memory",
            "CannotCreate*cannot allocate memory",
        ],
        lead: "There was too little memory to start {who}: its memory limit is too small, or its instance has none \
               left",
        step: "Raise Memory of the container[ (the task has {memory} MiB)] in the task definition[deploy:  or, for \
               one run, in Overrides]: Docker alone needs 6 MiB to start it, and its program needs more. On an \
               instance, free -m shows whether memory is left",
        alert: "memory limit too low",
        ..ENTRY
    },
    CatalogueEntry {
        id: "out-of-memory",
        says: &[
            "OutOfMemory",
            "OOMKilled",
            "~OOM-killed",
            "Container killed due to memory usage",
        ],
        lead: "{Who} ran out of memory and was killed[ (exit code {code})]",
        step: "Raise Memory of the container and the task[ (the task has {memory} MiB)] in the task \
               definition[deploy:  or, for one run, in Overrides] (on Fargate, Cpu limits Memory), or make it use \
               less. Its work may be half done",
        alert: "out of memory",
        ..RAN
    },
    CatalogueEntry {
        id: "memory-node",
        logs: &[
            "JavaScript heap out of memory",
            "Reached heap limit",
            "ERR_WORKER_OUT_OF_MEMORY",
            "FatalProcessOutOfMemory",
            "OOMErrorHandler",
        ],
        lead: "{Who} exited with code {code}: Node.js reached the limit of its own heap",
        step: "Set NODE_OPTIONS to --max-old-space-size=MIB in Environment of the container, to some three quarters of \
               its memory[ (the task has {memory} MiB)], and raise Memory in the task definition if the program needs \
               more. Its work may be half done",
        alert: "out of memory",
        ..RAN
    },
    CatalogueEntry {
        id: "memory-java",
        logs: &[
            "java.lang.OutOfMemoryError: {kind} space",
            "java.lang.OutOfMemoryError",
            "GC overhead limit exceeded",
            "Terminating due to java.lang.OutOfMemoryError",
            "There is insufficient memory for the Java Runtime Environment",
        ],
        lead: "{Who} exited with code {code}: Java ran out of memory[ ({kind} space)]",
        step: "Set JAVA_TOOL_OPTIONS to -XX:MaxRAMPercentage=75 in Environment of the container (Java takes a quarter \
               of the memory by default), or raise -Xmx (for Metaspace errors: -XX:MaxMetaspaceSize). If the program \
               needs more, raise Memory in the task definition[ (the task has {memory} MiB)]. Its work may be half \
               done",
        alert: "out of memory",
        ..RAN
    },
    CatalogueEntry {
        id: "memory-child",
        logs: &[
            "line *: * Killed",
            "^Killed$",
            "killed by signal 9",
            "signal: killed",
        ],
        lead: "{Who} exited with code {code}: a process that its command had started was killed by SIGKILL, as Linux does \
               when the container has no memory left",
        step: "Raise Memory of the container and the task[ (the task has {memory} MiB)] in the task definition, or make \
               the process use less (smaller batches). Its work may be half done",
        alert: "out of memory",
        ..RAN
    },
    CatalogueEntry {
        id: "database-memory",
        logs: &[
            "^ERROR: out of memory",
            "psql:*: ERROR: out of memory$",
            "PSQLException: ERROR: out of memory",
            "PG::OutOfMemory",
            "errors.OutOfMemory",
            "in memory context",
            "SQLSTATE 53200",
            "SQLSTATE[53200]",
            "ERROR: out of shared memory",
            "max_locks_per_transaction",
            "could not resize shared memory segment",
            "ERROR 1038 (",
            "ERROR 1041 (",
            "Out of sort memory",
        ],
        lead: "{Who} exited with code {code}: the database ran out of memory (not the task)",
        step: "Do the work in batches, lower work_mem or maintenance_work_mem, raise max_locks_per_transaction or \
               sort_buffer_size if the line says so, or use a larger instance class for the database",
        alert: "database is out of memory",
        ..RAN
    },
    CatalogueEntry {
        id: "memory-exhausted",
        logs: &[
            "Cannot allocate memory",
            "MemoryError",
            "NoMemoryError",
            "OutOfMemoryException",
            "std::bad_alloc",
            "fatal error: runtime: out of memory",
            "fatal error: out of memory",
            "memory allocation of * bytes failed",
            "Allowed memory size of * bytes exhausted",
            "Out of memory",
        ],
        lead: "{Who} exited with code {code}: its program ran out of memory",
        step: "Raise Memory of the container and the task[ (the task has {memory} MiB)] in the task definition, or \
               make the program use less (smaller batches); PHP has a limit of its own, memory_limit. Its work may be \
               half done",
        alert: "out of memory",
        ..RAN
    },
    CatalogueEntry {
        id: "killed",
        rank: Rank::Area,
        // The code alone proves nothing: memory, StopTask and a kill from inside all end in 137.
        codes: &[137],
        lead: "{Who} exited with code {code} (SIGKILL), but AWS does not say what killed it",
        step: "Most often it ran out of memory: compare its memory in Container Insights with Memory in the task \
               definition[ (the task has {memory} MiB)], and raise Memory. If ECS stopped the task, the container did \
               not end within StopTimeout: let it end on SIGTERM, or raise StopTimeout. Its work may be half done",
        ..RAN
    },
    CatalogueEntry {
        id: "terminated",
        rank: Rank::Area,
        codes: &[143],
        lead: "{Who} exited with code {code} (SIGTERM: it was asked to stop), but AWS does not say by whom",
        step: "Check the other containers of the task, and in CloudTrail's event history who called StopTask. Its \
               work may be half done",
        ..RAN
    },
    CatalogueEntry {
        id: "killed-by-essential",
        lead: "Container {ender}, which is essential, exited with code {enderCode}, so ECS stopped container {container} \
               (exit code {code})",
        step: "If {ender} may end before {container}, set Essential: false on {ender} and Essential: true on \
               {container} in the task definition. If not, the log of {ender} says why it ended. The work of {container} \
               may be half done",
        alert: "an essential container ended first",
        ..RAN
    },
    CatalogueEntry {
        id: "illegal-instruction",
        codes: &[132],
        lead: "{Who} exited with code {code} (SIGILL): its program uses an instruction that the task's processor does not have",
        step: "Build the program and its native libraries for an older processor (no -march=native), or run it on a \
               newer one (EC2)",
        alert: "built for a newer processor",
        ..RAN
    },
    CatalogueEntry {
        id: "crashed",
        rank: Rank::Area,
        // Windows: STATUS_ACCESS_VIOLATION, STATUS_STACK_OVERFLOW, STATUS_STACK_BUFFER_OVERRUN.
        codes: &[134, 136, 139, 3_221_225_477, 3_221_225_725, 3_221_226_505],
        lead: "{Who} exited with code {code} ({signal}: its program crashed)",
        step: "[{logged}. ]Compare the image with the last one that worked, and run it locally with the same input. \
               A native library built for another C library (glibc, musl) is a common cause",
        ..RAN
    },
    CatalogueEntry {
        id: "interrupted",
        rank: Rank::Area,
        // Windows: STATUS_CONTROL_C_EXIT.
        codes: &[130, 3_221_225_786],
        lead: "{Who} exited with code {code} ({signal}: it was interrupted)",
        step: "Find out what sent the signal: ECS (if STOPSIGNAL of the image is SIGINT), or a process in the \
               container. Its work may be half done",
        ..RAN
    },
    CatalogueEntry {
        id: "exit-code",
        rank: Rank::Prefix,
        lead: "{Who} exited with code {code}",
        step: "[{logged}]",
        ..RAN
    },
    CatalogueEntry {
        id: "no-exit-code",
        rank: Rank::Prefix,
        lead: "ECS reports no exit code for {who}[ (stop code {stopCode})]: it never started, or the ECS agent lost it",
        step: "[deploy: Deploy again][alert: Start it again (a service does that itself)]; if it happens again, look \
               at its reason (aws ecs describe-tasks --cluster {cluster|CLUSTER} --tasks {taskId|TASK} shows it for an \
               hour), and on EC2 at /var/log/ecs/ecs-agent.log on its instance",
        ..RAN
    },
    CatalogueEntry {
        id: "spot-interrupted",
        says: &[
            "Your Spot Task was interrupted",
            "SpotInterruption",
            "Spot*interrupt",
        ],
        stop_codes: &["SpotInterruption"],
        lead: "AWS took back the Spot capacity that the task ran on[ (container {container}[, exit code {code}])]",
        step: "The task's work may be half done: check it before you [deploy: deploy again][alert: start it again (a \
               service does that itself)]. To avoid Spot, name a provider in CapacityProviderStrategy that is not \
               Spot",
        alert: "Spot interruption",
        ..RAN
    },
    CatalogueEntry {
        id: "host-deregistered",
        says: &[
            "Container instance deregistration forced by user",
            "deregistration forced by user",
        ],
        lead: "Somebody forcibly deregistered the task's container instance[ (container {container}[, exit code \
               {code}])]",
        step: "Drain an instance before you deregister it. CloudTrail shows who called DeregisterContainerInstance. \
               [deploy: Deploy again][alert: Start it again if it is still needed (a service does that itself)]. Its \
               work may be half done",
        alert: "its host was deregistered",
        ..RAN
    },
    CatalogueEntry {
        id: "host-terminated",
        says: &[
            "Host EC2 (instance {instance}) terminated",
            "Host EC2*terminated",
            "Host EC2*stopped",
            "container instance was terminated",
        ],
        stop_codes: &["TerminationNotice"],
        lead: "The instance[ {instance}] that the task ran on was terminated[ (container {container}[, exit code {code}])]",
        step: "The task's work may be half done: check it before you [deploy: deploy again][alert: start it again (a \
               service does that itself)]. If an Auto Scaling group scaled the instance in, switch on managed \
               termination protection and managed scaling in its capacity provider, and scale-in protection in the \
               Auto Scaling group",
        alert: "its host was terminated",
        ..RAN
    },
    CatalogueEntry {
        id: "host-unhealthy",
        says: &[
            "instance health*impaired",
            "host is unhealthy",
            "failed the EC2 health check",
            "became unhealthy and was",
        ],
        stop_codes: &["InfrastructureHealth"],
        lead: "The host that the task ran on was not healthy, so ECS ended the task[ (container {container}[, exit code \
               {code}])]",
        step: "The task's work may be half done: check it before you [deploy: deploy again][alert: start it again (a \
               service does that itself)]. If it happens again, replace the container instance",
        alert: "its host was unhealthy",
        ..RAN
    },
    CatalogueEntry {
        id: "host-draining",
        says: &[
            "container instance is in DRAINING state",
            // The text of ECS Managed Instances, which are drained from their day 14 on.
            "stopped during instance draining",
            "Instance draining",
        ],
        lead: "The container instance was drained, so ECS stopped the task[ (container {container}[, exit code {code}])]",
        step: "Wait until no instance is being replaced, then [deploy: deploy again][alert: start it again (a \
               service does that itself)]. Its work may be half done",
        alert: "instance draining",
        ..RAN
    },
    CatalogueEntry {
        id: "maintenance",
        says: &["ECS is performing maintenance on the underlying infrastructure"],
        lead: "AWS retired the host that the task ran on[ (container {container}[, exit code {code}])]",
        step: "[deploy: Deploy again][alert: Start it again (a service does that itself)]. Its work may be half done",
        alert: "AWS maintenance",
        ..RAN
    },
    CatalogueEntry {
        id: "scaled-in",
        says: &["Scaling activity initiated by"],
        lead: "The service was scaled in, so ECS stopped the task[ (container {container}[, exit code {code}])]",
        step: "Nothing to do if that was intended. A task can protect itself with task scale-in protection",
        alert: "scaled in",
        ..RAN
    },
    CatalogueEntry {
        id: "health-elb",
        says: &[
            "failed ELB health checks in (target-group {target})",
            "failed ELB health checks",
            "is unhealthy in (target-group",
            "is unhealthy in (elb",
        ],
        lead: "The load balancer's health checks of the task failed[ (target group {target})], so ECS replaced it",
        step: "If the task was healthy before, its last log lines, CPU, memory and connections say why it stopped \
               answering. Otherwise, check that the container listens on 0.0.0.0 (not 127.0.0.1) on the target \
               group's port, and answers the health check's path within its timeout. The task's security group must \
               admit the load balancer, and HealthCheckGracePeriodSeconds of the service must cover the container's \
               start",
        alert: "health checks failed",
        ..RAN
    },
    CatalogueEntry {
        id: "health-container",
        says: &[
            "failed container health checks",
            "failed health checks",
            "failed*health checks",
        ],
        rank: Rank::Area,
        lead: "The health check of one of the task's containers failed, so ECS stopped the task",
        step: "Run Command of HealthCheck in the task definition inside the image (the tools it calls, such as curl, \
               must be in the image), and raise StartPeriod if the program is just slow to start; its log may say \
               more",
        alert: "health checks failed",
        ..RAN
    },
    CatalogueEntry {
        id: "stopped-by-user",
        rank: Rank::Area,
        says: &["Task stopped by user", "stopped by user"],
        stop_codes: &["UserInitiated"],
        lead: "Somebody stopped the task with ecs:StopTask[ (container {container}[, exit code {code}])]",
        step: "Find out in CloudTrail's event history who called StopTask, then [deploy: deploy again][alert: start \
               it again if it is still needed]. Its work may be half done",
        alert: "stopped by StopTask",
        ..RAN
    },
    CatalogueEntry {
        id: "stopped-by-ecs-tasks",
        // Every reason that ecs-tasks gives to StopTask begins like this.
        says: &["^ecs-tasks: "],
        lead: "The function of Custom::ECSTask stopped the task before it had finished[ (container {container}[, \
               exit code {code}])]",
        step: "Look for [deploy: a newer request for this resource in the stack's events, or for ]the reason in the \
               log of the function that started it. Its work may be half done",
        alert: "stopped by Custom::ECSTask",
        ..RAN
    },
    CatalogueEntry {
        id: "replaced",
        rank: Rank::Prefix,
        says: &["Scheduler initiated", "initiated by (deployment"],
        // A service gives this code to all its stops, failed health checks included. The text of
        // one that failed has a higher rank.
        stop_codes: &["ServiceSchedulerInitiated"],
        lead: "The service's scheduler stopped the task[ (container {container}[, exit code {code}])]",
        step: "This is normal after a deployment. Otherwise, see the service's events",
        alert: "stopped by the service scheduler",
        ..RAN
    },
    CatalogueEntry {
        id: "task-lost",
        rank: Rank::Prefix,
        lead: "ECS no longer knows the task, so nobody can tell how it ended",
        step: "Check in its log[ ({group})] how far it got, then [deploy: deploy again][alert: start it again (a \
               service does that itself)]. Its work may be half done",
        alert: "task unknown to ECS",
        ..RAN
    },
    CatalogueEntry {
        id: "no-container",
        rank: Rank::Prefix,
        lead: "The task ended, but ECS shows none of the containers that decide its verdict",
        step: "[deploy: Check WatchContainers and the names of the containers in the task definition][alert: Look at \
               the stopped task and its log (aws ecs describe-tasks shows it for an hour)]",
        alert: "no container that decides the verdict",
        ..RAN
    },
    // ---- What a container's log says ----
    CatalogueEntry {
        id: "database-proxy",
        logs: &["RDS proxy has no credentials for the role {user}"],
        lead: "{Who} exited with code {code}: the RDS proxy has no secret for the user {user}",
        step: "Add a secret with that user's name and password to Auth of the proxy, and allow the proxy's role \
               secretsmanager:GetSecretValue on it",
        alert: "RDS proxy has no secret for the user",
        ..RAN
    },
    CatalogueEntry {
        id: "database-connections",
        logs: &[
            "too many clients already",
            "remaining connection slots are reserved",
            "Too many connections",
            "max_user_connections",
        ],
        lead: "{Who} exited with code {code}: the database has no connections left",
        step: "Lower the sizes of the connection pools or the number of tasks, put RDS Proxy or PgBouncer in front, \
               or raise max_connections (a larger instance class raises it)",
        alert: "database has no connections left",
        ..RAN
    },
    CatalogueEntry {
        id: "database-iam",
        logs: &[
            "PAM authentication failed for user {user}",
            "not authorized to perform: rds-db:connect",
        ],
        lead: "{Who} exited with code {code}: the database refused the IAM login of user[ {user}]",
        step: "Grant the task role rds-db:connect on arn:aws:rds-db:REGION:ACCOUNT:dbuser:RESOURCE-ID/{user|USER} \
               (the resource id, not the instance's name). Grant rds_iam to the database user, and switch on IAM \
               authentication. Generate the token for the same host, port and user, less than 15 minutes before its \
               use",
        alert: "database refused the IAM login",
        ..RAN
    },
    CatalogueEntry {
        id: "database-super",
        logs: &[
            "You do not have the SUPER privilege",
            "you need (at least one of) the {privilege} privilege",
            "you need (at least one of) the {privilege}, *privilege",
            "you need the SUPER privilege",
        ],
        lead: "{Who} exited with code {code}: a statement needs the MySQL privilege[ {privilege}] that its database user \
               lacks, and RDS gives nobody SUPER",
        step: "For triggers and functions (ERROR 1419), set log_bin_trust_function_creators to 1 in a parameter \
               group of your own, since the default one cannot be changed. In other scripts remove DEFINER clauses, \
               SET GLOBAL and SET sql_log_bin",
        alert: "database user lacks SUPER",
        ..RAN
    },
    CatalogueEntry {
        id: "database-superuser",
        logs: &[
            "permission denied to create extension {object}",
            "must be superuser to",
            "permission denied to create {kind}",
            "permission denied to set parameter {object}",
            "permission denied to alter",
        ],
        lead: "{Who} exited with code {code}: the statement needs rights that its database user does not have[ (on \
               {object})]",
        step: "Run this statement once as the database's master user (a member of rds_superuser), or connect as that user \
               for the migration; for a trusted extension CREATE on the database is enough",
        alert: "database user lacks a right",
        ..RAN
    },
    CatalogueEntry {
        id: "url-invalid",
        logs: &[
            "Could not parse rfc1738 URL",
            "Could not parse SQLAlchemy URL",
            "provided database string is invalid",
            "the URL must start with the protocol",
            "invalid port number in database URL",
            "invalid port number",
            "net/url: invalid userinfo",
            "invalid port * after host",
            "ERR_INVALID_URL",
            "TypeError: Invalid URL",
            "bad URI",
            "missing = after {url} in connection info string",
            "invalid connection option",
            "No suitable driver found for {url}",
            "Error parsing connection string",
            "Format of the initialization string does not conform",
            "Driver * claims to not accept jdbcUrl",
        ],
        lead: "{Who} exited with code {code}: a URL or connection string that its program was given is not valid",
        step: "Correct it in Environment or Secrets of the container: percent-encode special characters of the password (@ \
               : / # % ?), leave out quotes and line ends, and check that no part of it is empty",
        alert: "URL is not valid",
        ..RAN
    },
    CatalogueEntry {
        id: "database-unsupported",
        logs: &[
            "Unsupported Database: {version}",
            "is no longer supported by Flyway",
            "No database found to handle jdbc",
            "authentication method {version} not supported",
            "does not support authentication protocol requested by server",
            "SCRAM authentication requires libpq version",
            "Authentication plugin {version} cannot be loaded",
        ],
        lead: "{Who} exited with code {code}: its tool or driver does not support the database's version or login \
               method[ ({version})]",
        step: "Take a newer version of the tool and its database driver into the image (Flyway needs a module for each \
               database, such as flyway-database-postgresql)",
        alert: "tool does not support the database",
        ..RAN
    },
    CatalogueEntry {
        id: "database-missing",
        logs: &[
            "database {database} does not exist",
            "Unknown database {database}",
            "Cannot open database {database} requested by the login",
        ],
        lead: "{Who} exited with code {code}: the server has no database {database}",
        step: "Create it (CREATE DATABASE), or correct its name in Environment or Secrets",
        alert: "database does not exist",
        ..RAN
    },
    CatalogueEntry {
        id: "database-schema-denied",
        logs: &["permission denied for schema {schema}"],
        lead: "{Who} exited with code {code}: its database user has no rights on the schema {schema}",
        step: "As the schema's owner, run GRANT USAGE ON SCHEMA {schema} TO … with the user's name, and GRANT CREATE \
               if the task creates objects there (since PostgreSQL 15, users have no CREATE on public)",
        alert: "database user lacks a right",
        ..RAN
    },
    CatalogueEntry {
        id: "database-object-denied",
        logs: &[
            "must be owner of {kind} {object}",
            "permission denied for table {object}",
            "permission denied for relation {object}",
            "permission denied for sequence {object}",
            "permission denied for database {object}",
            "Access denied for user * to database {object}",
            "command denied to user * for table {object}",
        ],
        lead: "{Who} exited with code {code}: its database user has no rights on {object}",
        step: "As the owner of {object}, GRANT that user the rights that the statement needs. To alter or drop \
               {object}, the user must own it (ALTER … OWNER TO)",
        alert: "database user lacks a right",
        ..RAN
    },
    CatalogueEntry {
        id: "database-deadlock",
        logs: &[
            "Deadlock found when trying to get lock",
            "ERROR: deadlock detected$",
            "DeadlockDetected",
            "SQLSTATE 40P01",
            "SQLSTATE[40P01]",
            "was deadlocked on lock resources",
        ],
        lead: "{Who} exited with code {code}: its transaction and another one waited for each other, and the database rolled \
               it back",
        step: "[deploy: Deploy again][alert: Start it again]. If it happens again, take the locks in the same order as the \
               other transaction, or stop the writers while the task runs",
        alert: "database deadlock",
        ..RAN
    },
    CatalogueEntry {
        id: "database-lock",
        logs: &[
            "canceling statement due to lock timeout",
            "Lock wait timeout exceeded",
            "Migration table is already locked",
            "could not obtain lock on",
            "Timed out trying to acquire a postgres advisory lock",
            "Could not acquire change log lock",
            "can't acquire database lock",
            "can't acquire lock",
            "ConcurrentMigrationError",
            "Unable to acquire Flyway advisory lock",
            "Unable to obtain table lock",
            "timed out trying to acquire",
        ],
        lead: "{Who} exited with code {code}: it did not get a lock in the database",
        step: "Find the holder: another migration, or an open transaction (PostgreSQL pg_blocking_pids, MySQL SHOW \
               ENGINE INNODB STATUS, or sys.schema_table_lock_waits for DDL). If no migration runs, remove the lock \
               of a failed one (knex migrate:unlock, liquibase release-locks)",
        alert: "database lock",
        ..RAN
    },
    CatalogueEntry {
        id: "migration-conflict",
        logs: &[
            "Multiple head revisions are present",
            "Conflicting migrations detected",
            "DuplicateMigrationVersionError",
            "DuplicateMigrationNameError",
            "Multiple migrations have the version number {version}",
            "Found more than one migration with version {version}",
            "duplicate migration file",
        ],
        lead: "{Who} exited with code {code}: two migrations in its image have the same version[ ({version})] or parent",
        step: "Give the one that has not been applied yet a later version (Alembic: merge heads; Django: \
               makemigrations --merge), and rebuild the image",
        alert: "two migrations conflict",
        ..RAN
    },
    CatalogueEntry {
        id: "migration-half-done",
        logs: &[
            "Dirty database version {version}",
            "Detected failed migration to version {version}",
            "found failed migrations in the target database",
            "Error: P3009",
        ],
        lead: "{Who} exited with code {code}: an earlier run failed in the middle of a migration[ (version {version})]",
        step: "Undo by hand whatever it left behind, then clear the failed state: migrate force with the version \
               before it (golang-migrate), flyway repair, or prisma migrate resolve --rolled-back NAME",
        alert: "an earlier migration is half done",
        ..RAN
    },
    CatalogueEntry {
        id: "migration-changed",
        logs: &[
            "checksum mismatch for migration version {version}",
            "checksum mismatch for migration",
            "was: * but is now: ",
            "was modified after it was applied",
            "migration {version} was previously applied but has been modified",
        ],
        lead: "{Who} exited with code {code}: a migration[ ({version})] was changed after the database had run it",
        step: "Restore its file, and put the change into a new migration. If only its text changed, accept it: flyway repair, \
               liquibase clear-checksums",
        alert: "an old migration was changed",
        ..RAN
    },
    CatalogueEntry {
        id: "migration-unknown",
        logs: &[
            "Can't locate revision identified by {version}",
            "Detected applied migration not resolved locally: {version}",
            "migration {version} was previously applied but is missing",
            "no migration found for version {version}",
            "migration directory is corrupt, the following files are missing: {version}",
            "applied to the database but missing from the local migrations directory",
            "reference nonexistent parent node {version}",
            "missing migrations: {version}",
        ],
        lead: "{Who} exited with code {code}: its image does not contain a migration[ ({version})] that the database has \
               run or another one builds on",
        step: "Run an image that contains it: this one is older than the last that migrated this database, or comes from \
               another branch. If the file was deleted, restore it",
        alert: "image lacks a migration",
        ..RAN
    },
    CatalogueEntry {
        id: "migration-order",
        logs: &[
            "Detected resolved migration not applied to database: {version}",
            "InconsistentMigrationHistory: Migration {version} is applied before its dependency",
            "InconsistentMigrationHistory",
            "out of order migration",
            "found * missing (out-of-order) migrations",
        ],
        lead: "{Who} exited with code {code}: a migration[ ({version})] is older than the last one that the database has \
               run",
        step: "Give it a version later than the last applied one, or allow the order (flyway -outOfOrder=true, goose \
               -allow-missing). Django: apply or fake the dependency first",
        alert: "migrations out of order",
        ..RAN
    },
    CatalogueEntry {
        id: "database-object-exists",
        logs: &[
            "column {object} of relation {table} already exists",
            "constraint {object} for relation {table} already exists",
            "relation {object} already exists",
            "type {object} already exists",
            "schema {object} already exists",
            "function {object} already exists",
            "table {object} already exists",
            "Duplicate column name {object}",
            "Duplicate key name {object}",
            "There is already an object named {object} in the database",
        ],
        lead: "{Who} exited with code {code}: its migration creates {object|what}, which the database already has",
        step: "If an earlier run created it but could not record that, mark the migration as done (alembic stamp, \
               migrate --fake, prisma migrate resolve --applied, flyway baseline). Otherwise change the migration",
        alert: "object already exists",
        ..RAN
    },
    CatalogueEntry {
        id: "database-object-missing",
        logs: &[
            "column {object} of relation {table} does not exist",
            "constraint {object} of relation {table} does not exist",
            "relation {object} does not exist",
            "column {object} does not exist",
            "type {object} does not exist",
            "schema {object} does not exist",
            "function {object} does not exist",
            "Table {object} doesn't exist",
            "Unknown column {object} in",
            "Unknown table {object}",
            "Can't DROP {object}; check that",
            "Invalid object name {object}",
            "Invalid column name {object}",
            "no such table: {object}",
            "no such column: {object}",
        ],
        lead: "{Who} exited with code {code}: a statement names a table, column or other object[ ({object})] that the database does \
               not have",
        step: "Check that the program connects to the right database and schema (PostgreSQL search_path), and that the \
               migration that creates {object|it} has run before",
        alert: "object does not exist",
        ..RAN
    },
    CatalogueEntry {
        id: "database-null",
        logs: &[
            "column {column} of relation {table} contains null values",
            "null value in column {column} *violates not-null constraint",
            "null value in column {column}",
            "Column {column} cannot be null",
            "Field {column} doesn't have a default value",
            "Cannot insert the value NULL into column {column}",
        ],
        lead: "{Who} exited with code {code}: column {column} must have a value (NOT NULL), and rows have none",
        step: "If this migration adds the column, give it a DEFAULT, or add it without NOT NULL, fill it, and set NOT NULL \
               after that. Otherwise fill the rows where it is NULL first",
        alert: "NULL in a NOT NULL column",
        ..RAN
    },
    CatalogueEntry {
        id: "database-data",
        logs: &[
            "could not create unique index {constraint}",
            "violates unique constraint {constraint}",
            "violates foreign key constraint {constraint}",
            "violates check constraint {constraint}",
            "check constraint {constraint} of relation {table} is violated",
            "Duplicate entry * for key {constraint}",
            "Cannot add or update a child row",
            "Cannot delete or update a parent row",
            "Data truncated for column {constraint}",
            "Data too long for column {constraint}",
            "Out of range value for column {constraint}",
            "value too long for type",
            "invalid input syntax for type",
            "cannot be cast automatically to type",
            "Cannot insert duplicate key",
        ],
        lead: "{Who} exited with code {code}: the data in the database does not fit what a statement demands[ \
               ({constraint})]",
        step: "Find the rows (a SELECT with the same condition), correct or delete them in a migration before this one, or \
               relax the constraint",
        alert: "data does not fit",
        ..RAN
    },
    CatalogueEntry {
        id: "sql-syntax",
        logs: &[
            "syntax error at or near {near}",
            "syntax error at end of input",
            "You have an error in your SQL syntax",
            "Incorrect syntax near {near}",
        ],
        lead: "{Who} exited with code {code}: the database does not understand a statement[ (near {near})]",
        step: "Correct the SQL of the migration that the log lines name, and try it on a database of the same engine and \
               version",
        alert: "SQL syntax error",
        ..RAN
    },
    CatalogueEntry {
        id: "database-idle-timeout",
        logs: &["terminating connection due to idle-in-transaction timeout"],
        lead: "{Who} exited with code {code}: its transaction stood idle for longer than the database or its user allows",
        step: "Do the slow work outside the transaction, or raise idle_in_transaction_session_timeout for this session",
        alert: "transaction was idle too long",
        ..RAN
    },
    CatalogueEntry {
        id: "database-command-timeout",
        logs: &[
            "Execution Timeout Expired",
            "Timeout expired. The timeout period elapsed prior to completion",
            "The Command Timeout expired",
            "The wait operation timed out",
        ],
        lead: "{Who} exited with code {code}: a statement took longer than the program's command timeout",
        step: "Raise CommandTimeout in the program (Command Timeout in the connection string), or do the work in batches. A \
               statement that is fast elsewhere may be waiting for a lock",
        alert: "statement timed out",
        ..RAN
    },
    CatalogueEntry {
        id: "database-statement-timeout",
        logs: &[
            "canceling statement due to statement timeout",
            "maximum statement execution time exceeded",
        ],
        lead: "{Who} exited with code {code}: a statement took longer than the database or its user allows",
        step: "Raise the limit for this session (PostgreSQL SET statement_timeout = 0, MySQL max_execution_time), or do \
               the work in batches. A statement that is fast elsewhere may be waiting for a lock",
        alert: "statement timed out",
        ..RAN
    },
    CatalogueEntry {
        id: "connection-lost",
        logs: &[
            "~server closed the connection unexpectedly",
            "terminating connection due to administrator command",
            "Connection terminated unexpectedly",
            "Lost connection to MySQL server during query",
            "Lost connection to MySQL server",
            "MySQL server has gone away",
            "SSL SYSCALL error: EOF detected",
            "the database system is starting up",
            "the database system is shutting down",
            "the database system is in recovery mode",
            "An I/O error occurred while sending to the backend",
            "connection reset by peer",
            "ECONNRESET",
            "connection was unexpectedly lost",
        ],
        lead: "{Who} exited with code {code}, and the last error in its log is a connection that the other side \
               closed",
        step: "See whether the server restarted or failed over (aws rds describe-events), ran out of memory, or closes \
               idle connections. Its work may be half done: check it before the next run",
        alert: "connection lost",
        ..RAN
    },
    CatalogueEntry {
        id: "connection-failed",
        logs: &[
            "~Can't reach database server at {address}",
            "~Communications link failure",
        ],
        lead: "{Who} exited with code {code}, and the last error in its log is a connection to the database[ at {address}] \
               that failed",
        step: "The line does not say why: check the host and the port, that the database runs, that its security \
               group admits the task's security group[ ({groups})] on that port, and TLS. The lines above may say \
               more. Its work may be half done[. It ran in {network}]",
        alert: "database cannot be reached",
        ..RAN
    },
    CatalogueEntry {
        id: "connection-timeout",
        logs: &[
            "connection to server at {address} *timeout expired",
            "connection to server at {address} *timed out",
            "dial tcp {address}: i/o timeout",
            "dial tcp {address}: connect: connection timed out",
            "connect ETIMEDOUT {address}",
            "Can't connect to MySQL server on {address} *timed out",
            "Can't connect to MySQL server on {address} (110",
            "could not connect to server: Connection timed out",
            "Connection timed out",
            "connection timed out",
            "timeout expired",
            "i/o timeout",
            "ETIMEDOUT",
            "connect timed out",
            "connect to {address} port * timed out",
            "timeout occurred after waiting * for {address}$",
            "waiting for {address} timed out",
            "Timeout after * waiting on dependencies",
            "^timed out after",
            "Operation timed out",
            "SocketTimeoutException",
            "selection timed out",
            "ConnectTimeout",
            "Login timeout expired",
        ],
        lead: "{Who} exited with code {code}, and the last error in its log is a connection[ to {address}] that \
               timed out",
        step: "Admit the task's security group[ ({groups})] on that port in the security group of what it connects to, and \
               check the routes between their subnets[. It ran in {network}]",
        alert: "a connection timed out",
        ..RAN
    },
    CatalogueEntry {
        id: "connection-refused",
        logs: &[
            "connection to server at {address} *Connection refused",
            "dial tcp {address}: connect: connection refused",
            "connect ECONNREFUSED {address}",
            "Can't reach database server at localhost",
            "Can't reach database server at 127.0.0.1",
            "Connection refused",
            "ECONNREFUSED",
        ],
        lead: "{Who} exited with code {code}, and the last error in its log is a connection[ to {address}] that was \
               refused",
        step: "Check the host and the port in its Environment, and that the server is up and listens there (a \
               blocked security group causes a timeout, not a refusal); 127.0.0.1 is the task itself",
        alert: "a connection was refused",
        ..RAN
    },
    CatalogueEntry {
        id: "name-not-resolved",
        logs: &[
            "could not translate host name {address} to",
            "getaddrinfo ENOTFOUND {address}",
            "getaddrinfo EAI_AGAIN {address}",
            "lookup {address} on *no such host",
            "lookup {address}: no such host",
            "Unknown MySQL server host {address}",
            "bad address {address}$",
            "Could not resolve host: {address}",
            "getaddrinfo for * failed",
            "getaddrinfo failed",
            "nodename nor servname provided",
            "No such host is known",
            "Name or service not known",
            "Temporary failure in name resolution",
            "UnknownHostException: {address}",
        ],
        lead: "{Who} exited with code {code}, and the last error in its log is a host name[ ({address})] that could \
               not be resolved",
        step: "Check the host name in its Environment, that DNS support is on in the VPC, and that the private hosted \
               zone is associated with the VPC[. It ran in {network}]",
        alert: "a name could not be resolved",
        ..RAN
    },
    CatalogueEntry {
        id: "database-tls",
        logs: &[
            "~no pg_hba.conf entry for*no encryption",
            "~no pg_hba.conf entry for*SSL off",
            "pg_hba.conf rejects connection*no encryption",
            "pg_hba.conf rejects connection*SSL off",
            "insecure transport are prohibited",
            "require_secure_transport",
            "SSL connection is required",
            "SSL is required",
            "connection requires SSL",
            "Server requires encryption",
            "requires encryption to be",
        ],
        lead: "{Who} exited with code {code}: the database refused its connection because it was not encrypted (TLS)",
        step: "Switch TLS on in the program: PostgreSQL sslmode=require in the URL, or PGSSLMODE=require in \
               Environment; MySQL ssl-mode=REQUIRED; SQL Server Encrypt=true. Node's pg also verifies the \
               certificate: put the RDS CA bundle into the image and set NODE_EXTRA_CA_CERTS to its path. If it \
               already uses TLS, pg_hba.conf has no line for this user, database and host",
        alert: "database wants TLS",
        ..RAN
    },
    CatalogueEntry {
        id: "database-no-tls",
        logs: &[
            "server does not support SSL, but SSL was required",
            "The server does not support SSL connections",
            "SSL is not enabled on the server",
            "server does not support secure connection",
            "SSL connection is not supported",
        ],
        lead: "{Who} exited with code {code}: it asked for an encrypted connection (TLS), but the database does not \
               offer it",
        step: "Check the host first: RDS and Aurora offer TLS, so this may be another server (a pooler, a sidecar, \
               127.0.0.1). Switch TLS on there. Only if the connection stays within the task, switch it off in the \
               program: PostgreSQL sslmode=disable or PGSSLMODE=disable, MySQL ssl-mode=DISABLED, SQL Server \
               Encrypt=false",
        alert: "database has no TLS",
        ..RAN
    },
    CatalogueEntry {
        id: "certificate-untrusted",
        logs: &[
            "self signed certificate in certificate chain",
            "self-signed certificate",
            "certificate verify failed",
            "unable to get local issuer certificate",
            "unable to verify the first certificate",
            "x509: certificate signed by unknown authority",
            "PKIX path building failed",
            "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
            "The certificate chain was issued by an authority that is not trusted",
        ],
        lead: "{Who} exited with code {code}, and the last error in its log is a server's certificate that it does \
               not trust",
        step: "Put the certificate of the server's authority into the image: for RDS \
               https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem, named by sslrootcert or \
               PGSSLROOTCERT (PostgreSQL), ssl-ca (MySQL), NODE_EXTRA_CA_CERTS (Node.js), Java's trust store, or the \
               system's (sqlcmd and ODBC: update-ca-certificates). RDS Proxy has a certificate of Amazon's public \
               authority instead",
        alert: "certificate not trusted",
        ..RAN
    },
    CatalogueEntry {
        id: "database-read-only",
        logs: &[
            "in a read-only transaction",
            "running with the --read-only option",
            "server is running with the*read-only option",
            "because the database is read-only",
        ],
        lead: "{Who} exited with code {code}: the database accepts no writes on this connection",
        step: "Connect to the writer's endpoint: a reader endpoint or a replica accepts none. If it is the writer, check \
               default_transaction_read_only and the free storage of the database",
        alert: "database is read-only",
        ..RAN
    },
    CatalogueEntry {
        id: "database-not-admitted",
        logs: &[
            "~no pg_hba.conf entry for host {address}, user {user}, database {database},",
            "~no pg_hba.conf entry",
            "pg_hba.conf rejects",
            "is not allowed to connect to this MySQL server",
            "Cannot open server {address} requested by the login",
        ],
        lead: "{Who} exited with code {code}: the database admits no connection[ of user {user} to database \
               {database}] from its address[ {address}]",
        step: "Check the names of the user and the database in its Environment or Secrets. On RDS and Aurora, where \
               nobody edits pg_hba.conf, the cause is a wrong name, or a connection without TLS (rds.force_ssl). On \
               a server of your own, admit the task's subnets (PostgreSQL pg_hba.conf, MySQL the host of the user)",
        alert: "database does not admit the task",
        ..RAN
    },
    CatalogueEntry {
        id: "login-refused",
        logs: &[
            "password authentication failed for user {user}",
            "password authentication failed",
            "Access denied for user {user}",
            "~Login failed for user {user}",
            "FATAL: role {user} does not exist",
            "client password must be a string",
            "no password supplied",
            "credentials for {user} are not valid",
            "Authentication failed against",
            "ORA-01017",
        ],
        lead: "{Who} exited with code {code}, and the last error in its log is a login[ ({user})] that the database \
               refused",
        step: "Check the user name and the password in its Environment or Secrets: a secret is read when the task \
               starts, and a rotated one may differ from what the database has",
        alert: "database login refused",
        ..RAN
    },
    CatalogueEntry {
        id: "no-credentials",
        logs: &[
            "Unable to locate credentials",
            "NoCredentialsError",
            "NoCredentialProviders",
            "CredentialsProviderError",
            "Could not load credentials from any providers",
            "no EC2 IMDS role found",
            "Unable to load credentials from any of the providers",
            "Unable to load AWS credentials from",
            "MissingCredentialsError",
        ],
        lead: "{Who} exited with code {code}: its program found no AWS credentials",
        step: "Set TaskRoleArn in the task definition to a role that allows what the program calls. If it is set, keep \
               AWS_CONTAINER_CREDENTIALS_RELATIVE_URI in the program's environment (sudo and su remove it)",
        alert: "program has no AWS credentials",
        ..RAN
    },
    CatalogueEntry {
        id: "task-role-denied",
        logs: &[
            "not authorized to perform: {action} on resource: {on}",
            "not authorized to perform: {action}",
            "(AccessDenied) when calling the {action} operation",
            "(AccessDeniedException) when calling the {action} operation",
        ],
        lead: "{Who} exited with code {code}, and the last error in its log is a call[ ({action})] that AWS denied",
        step: "Grant {action|what it calls}[ on {on}] to the task role (TaskRoleArn in the task definition; the \
               execution role is the agent's, not the program's). If the line names another policy (an explicit \
               deny, a boundary, a VPC endpoint's or a resource's policy), change that one instead",
        alert: "task role lacks a permission",
        ..RAN
    },
    // ---- Time ----
    CatalogueEntry {
        id: "timeout-never-ran",
        lead: "The task did not start to run within the {limit} and {stopped}: it stayed in {status}",
        step: "{waiting}. If starts normally take longer here (minutes, if an instance has to start first), \
               {raise}[. It was to run in {network}]",
        ..TIMED_OUT
    },
    CatalogueEntry {
        id: "timeout-dependency",
        lead: "The task did not start to run within the {limit} and {stopped}: {unstarted} did not start, while \
               {running} ran",
        step: "Because of DependsOn, {unstarted} waits for {running} to be healthy or to end: check the HealthCheck \
               in the task definition, and the log of {running}. If that simply takes longer, {raise}",
        ..TIMED_OUT
    },
    CatalogueEntry {
        id: "timeout-lock",
        logs: &[
            "waiting for*lock",
            "waiting to acquire*lock",
            "could not acquire*lock",
            "could not obtain lock",
            "Attempting to acquire*lock",
            "lock wait timeout",
            "is blocked by",
        ],
        lead: "The task did not finish within the {limit} and {stopped}. Its log shows it waiting for a lock",
        step: "Find the holder of the lock: another migration, an open transaction, or a row left by a failed run (if \
               no migration runs, liquibase release-locks removes Liquibase's). Only if the lock will be released \
               without help, {raise|raise Timeout}. Its work may be half done",
        ..TIMED_OUT
    },
    CatalogueEntry {
        id: "timeout-goes-on",
        lead: "The task did not finish within the {limit} and {stopped}: {done} had ended, but {running} had not",
        step: "Set Essential: true on {done|the container whose end is the task's} in the task definition: its end \
               then stops {running}. Or make {running} end by itself",
        ..TIMED_OUT
    },
    CatalogueEntry {
        id: "timeout",
        says: &["ecs-tasks: not finished within {limit}"],
        lead: "{What} did not finish within the {limit} and {stopped|has been stopped}",
        step: "If it only needs longer, {raise|raise Timeout}. If it hangs, the last lines of its log may show where[: \
               {tail}]. Its work may be half done",
        ..TIMED_OUT
    },
    CatalogueEntry {
        id: "still-stopping",
        lead: "The tasks of this resource were asked to stop and have not stopped within the {limit}",
        step: "Wait until they are STOPPED, then deploy again. StopTimeout in the task definition limits how long \
               that takes",
        ..TIMED_OUT
    },
    // ---- Starts that AWS refuses, and that time may mend ----
    CatalogueEntry {
        id: "capacity-unavailable",
        says: &[
            "Capacity is unavailable",
            "Capacity provider*unavailable",
            "insufficient capacity",
            "InsufficientInstanceCapacity",
        ],
        lead: "AWS has no capacity for the task[ {place}]",
        step: "Name subnets in more Availability Zones, or another capacity provider instead of LaunchType, or \
               [deploy: deploy again later][alert: start it again later (a service does that itself)]",
        retry: Retry::Capacity,
        alert: "no capacity",
        ..ENTRY
    },
    CatalogueEntry {
        id: "quota-vcpu",
        says: &[
            "reached the limit on the number of vCPUs you can run concurrently",
            "limit on the number of vCPUs",
        ],
        lead: "The account's quota of Fargate vCPUs is used up",
        step: "Wait for other tasks to end, or raise the quota Fargate On-Demand vCPU resource count (Spot has its \
               own) in Service Quotas, for this region",
        retry: Retry::Capacity,
        alert: "vCPU quota reached",
        ..ENTRY
    },
    CatalogueEntry {
        id: "quota-tasks",
        says: &[
            "reached the limit on the number of tasks you can run concurrently",
            "limit on the number of tasks",
        ],
        lead: "The account's quota of tasks that run at once is used up",
        step: "Wait for other tasks to end, or raise the quota Fargate On-Demand vCPU resource count (or Fargate \
               Spot vCPU resource count) in Service Quotas, for this region",
        retry: Retry::Capacity,
        alert: "task quota reached",
        ..ENTRY
    },
    CatalogueEntry {
        id: "quota-provisioning",
        says: &[
            "Tasks provisioning capacity limit",
            "tasks provisioning capacity limit was exceeded",
        ],
        lead: "The cluster[ {cluster}] is at its limit of 500 tasks in PROVISIONING",
        step: "Wait for instances, start fewer tasks at once, or raise the capacity provider's maximum size and scaling step",
        retry: Retry::Capacity,
        alert: "provisioning limit reached",
        ..ENTRY
    },
    CatalogueEntry {
        id: "quota-size",
        says: &["requested {what} configuration is above your limit"],
        lead: "The task asks for more {what} than the account's Fargate quota allows",
        step: "Raise the quota Fargate On-Demand vCPU resource count (Spot has its own) in Service Quotas, or lower \
               the task's Cpu and Memory",
        alert: "Fargate quota",
        ..ENTRY
    },
    CatalogueEntry {
        id: "ec2-throttled",
        // RunTask reports EC2's throttle as InvalidParameterException, so only the text tells.
        says: &[
            "(ErrorCode: RequestLimitExceeded",
            "(ErrorCode: Throttling",
            "(ErrorCode: RequestThrottled",
            "(ErrorCode: EC2Throttled",
            "Error Code: RequestLimitExceeded",
            "Error Code: Throttling",
            "Request limit exceeded",
        ],
        lead: "EC2 throttled every attempt to start the task",
        step: "[deploy: Deploy again][alert: Start it again (a service does that itself)], or start fewer tasks at \
               once: EC2 counts all calls of the account in this region",
        retry: Retry::Throttled,
        ..ENTRY
    },
    CatalogueEntry {
        id: "throttled",
        of_call: true,
        rank: Rank::Area,
        says: &[
            "ThrottlingException",
            "Rate exceeded",
            "TooManyRequestsException",
            "operations are being throttled",
        ],
        lead: "AWS throttled {operation|the call} each time, until the function ran out of time",
        step: "Deploy again in a few minutes. If it happens again, deploy fewer stacks at once",
        retry: Retry::Throttled,
        alert: "throttled",
        ..ENTRY
    },
    CatalogueEntry {
        id: "aws-no-answer",
        of_call: true,
        rank: Rank::Prefix,
        says: &[
            "^TimeoutError",
            "^DispatchFailure",
            "^ResponseError",
            "ServerException",
            "Service Unavailable",
            "^HTTP 50",
        ],
        lead: "AWS did not answer in time",
        step: "Deploy again; if it happens again, check the function's network (a function in a VPC needs a NAT \
               gateway or VPC endpoints) and the AWS Health Dashboard",
        retry: Retry::Throttled,
        ..ENTRY
    },
    CatalogueEntry {
        id: "role-not-assumable",
        says: &[
            "ECS was unable to assume the role {role} that was provided",
            "unable to assume the role {role}",
            "unable to assume the role",
            "IAM trust relationship has been misconfigured",
        ],
        lead: "ECS could not assume the role[ {role}] of the task",
        step: "Let its trust policy name ecs-tasks.amazonaws.com as the Principal of sts:AssumeRole, and check that \
               the role exists (aws iam get-role --role-name {role|ROLE})[deploy: ; a role of the same stack is \
               usable a few seconds after its creation]",
        // ECS can take some seconds to see a role that the same stack has created.
        retry: Retry::Passing,
        alert: "role cannot be assumed",
        ..ENTRY
    },
    CatalogueEntry {
        id: "service-linked-role",
        says: &["Unable to assume the service linked role"],
        lead: "ECS has no service-linked role in this account yet",
        step: "Create it: aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com",
        // AWS creates the role on the account's first use of ECS, so a later attempt can succeed.
        retry: Retry::Passing,
        alert: "service-linked role is missing",
        ..ENTRY
    },
    CatalogueEntry {
        id: "cluster-empty",
        says: &[
            "No Container Instances were found in your cluster",
            "no container instances were found in your cluster",
        ],
        lead: "Cluster {cluster|of the task} has no container instances[, and {asEc2}]",
        step: "For Fargate set LaunchType: FARGATE. For a cluster that scales from zero, name its capacity provider \
               in CapacityProviderStrategy, without LaunchType. [deploy: If this stack creates the instances, add a \
               DependsOn on their Auto Scaling group][alert: Otherwise, add instances (aws ecs \
               list-container-instances --cluster {cluster|CLUSTER} shows them)]",
        // The same stack may have created the instances, which need a while to register.
        retry: Retry::Passing,
        alert: "cluster has no instances",
        ..ENTRY
    },
    CatalogueEntry {
        id: "provider-empty",
        says: &[
            "No Container Instances were found in your capacity provider",
            "EMPTY CAPACITY PROVIDER",
            "NO ACTIVE INSTANCES",
        ],
        lead: "The capacity provider {providers|of the task} has no container instance[ in cluster {cluster}]",
        step: "Switch on its managed scaling with a maximum size above zero, and check that its instances register with \
               this cluster (ECS_CLUSTER, the AMI, the instance's role)",
        retry: Retry::Passing,
        alert: "capacity provider has no instances",
        ..ENTRY
    },
    CatalogueEntry {
        id: "resource-memory",
        says: &[
            "RESOURCE:MEMORY",
            "has insufficient memory available",
            "insufficient memory",
        ],
        lead: "No container instance[ in cluster {cluster}] has enough free memory for the task[ ({memory} MiB)]",
        step: "Wait for other tasks to end, add container instances or larger ones, or lower the task's Memory",
        retry: Retry::Capacity,
        alert: "no instance has the memory",
        ..ENTRY
    },
    CatalogueEntry {
        id: "resource-cpu",
        says: &[
            "RESOURCE:CPU",
            "has insufficient CPU units available",
            "insufficient CPU",
        ],
        lead: "No container instance[ in cluster {cluster}] has enough free CPU for the task[ ({cpu} units)]",
        step: "Wait for other tasks to end, add container instances or larger ones, or lower the task's Cpu",
        retry: Retry::Capacity,
        alert: "no instance has the CPU",
        ..ENTRY
    },
    CatalogueEntry {
        id: "resource-gpu",
        says: &["RESOURCE:GPU"],
        lead: "No container instance[ in cluster {cluster}] has enough free GPUs for the task",
        step: "Wait for other tasks to end, add GPU instances (ECS GPU-optimized AMI), or ask for fewer GPUs in \
               ResourceRequirements",
        retry: Retry::Capacity,
        alert: "no instance has the GPU",
        ..ENTRY
    },
    CatalogueEntry {
        id: "resource-eni",
        says: &["RESOURCE:ENI"],
        lead: "No container instance[ of cluster {cluster}] has a free network interface (each awsvpc task needs one)",
        step: "Wait for other tasks to end, add container instances, or switch on the account setting awsvpcTrunking \
               and replace the instances",
        retry: Retry::Capacity,
        alert: "no network interface",
        ..ENTRY
    },
    CatalogueEntry {
        id: "resource-ports",
        says: &["RESOURCE:PORTS"],
        lead: "No container instance[ in cluster {cluster}] has the task's host ports free",
        step: "Wait for other tasks to end, add container instances, or map HostPort: 0 in network mode bridge",
        retry: Retry::Capacity,
        alert: "host ports are taken",
        ..ENTRY
    },
    CatalogueEntry {
        id: "resource-fargate",
        says: &["RESOURCE:FARGATE ({provider})", "RESOURCE:FARGATE"],
        lead: "{provider|Fargate} has no capacity for the task at the moment",
        step: "Add FARGATE to CapacityProviderStrategy, or add subnets in more Availability Zones[deploy: , or deploy \
               again later][alert: ; a service keeps trying on its own]",
        retry: Retry::Capacity,
        alert: "no Fargate capacity",
        ..ENTRY
    },
    CatalogueEntry {
        id: "resource-other",
        rank: Rank::Area,
        says: &["RESOURCE:{resource}"],
        lead: "No container instance[ in cluster {cluster}] has enough free {resource} for the task",
        step: "Wait for other tasks to end, or add container instances that have it",
        retry: Retry::Capacity,
        alert: "no instance has the resource",
        ..ENTRY
    },
    CatalogueEntry {
        id: "agent-disconnected",
        says: &[
            "^AGENT$",
            "TaskFailedToStart: AGENT",
            "encountered error AGENT",
            "Timed out waiting for Amazon ECS Agent",
        ],
        lead: "The ECS agent of the container instance[ {instance}][ in cluster {cluster}] is not connected",
        step: "Log in to its EC2 instance (aws ecs describe-container-instances --cluster {cluster|CLUSTER} \
               --container-instances {instance|ID} shows ec2InstanceId). Check the agent (systemctl status ecs; \
               /var/log/ecs/ecs-agent.log), restart it (sudo systemctl restart ecs), and check that the instance \
               reaches the ECS endpoints",
        retry: Retry::Capacity,
        alert: "ECS agent not connected",
        ..ENTRY
    },
    // ---- Starts that AWS refuses for good ----
    CatalogueEntry {
        id: "attribute-missing",
        says: &[
            "^ATTRIBUTE$",
            "TaskFailedToStart: ATTRIBUTE",
            "missing an attribute required by your task",
        ],
        lead: "No container instance[ of cluster {cluster}] has every attribute that the task definition requires",
        step: "Compare requiresAttributes (aws ecs describe-task-definition --task-definition {definition|NAME}) with \
               attributes of an instance (aws ecs describe-container-instances --cluster {cluster|CLUSTER} \
               --container-instances {instance|ID}). Usual causes: an old agent, a log driver that is not enabled on \
               the instance, another CPU architecture, or no instance in the task's subnets that supports awsvpc",
        alert: "no instance has the attributes",
        ..ENTRY
    },
    CatalogueEntry {
        id: "other-zone",
        says: &["^LOCATION$", "TaskFailedToStart: LOCATION"],
        lead: "No container instance[ of cluster {cluster}] is in an Availability Zone of the task's subnets[ ({subnets})]",
        step: "Name subnets in the Availability Zones of the instances, or add instances there",
        alert: "no instance in the subnets' zones",
        ..ENTRY
    },
    CatalogueEntry {
        id: "placement-constraint",
        says: &[
            "MemberOf placement constraint",
            "placement constraint unsatisfied",
        ],
        lead: "No container instance[ of cluster {cluster}] meets the placement constraints of the task",
        step: "Compare PlacementConstraints, and those of the task definition, with the attributes of the instances \
               (aws ecs list-attributes --cluster {cluster|CLUSTER} --target-type container-instance)",
        alert: "placement constraints not met",
        ..ENTRY
    },
    CatalogueEntry {
        id: "instance-unknown",
        of_call: true,
        says: &["^MISSING$"],
        lead: "The container instance[ {instance}] is not registered[ in cluster {cluster}]",
        step: "Correct Instances or Cluster: the instance may have been deregistered, or belong to another cluster \
               or region",
        ..ENTRY
    },
    CatalogueEntry {
        id: "instance-inactive",
        of_call: true,
        says: &["^INACTIVE$"],
        lead: "The container instance[ {instance}] in Instances is no longer active[ in cluster {cluster}]: it was \
               deregistered",
        step: "Name an instance that is ACTIVE (aws ecs list-container-instances --cluster {cluster|CLUSTER} --status \
               ACTIVE)",
        ..ENTRY
    },
    CatalogueEntry {
        id: "provider-not-attached",
        says: &[
            "capacity provider that is not associated with the cluster",
            "not associated with the cluster",
            "capacity provider {provider} does not exist",
        ],
        lead: "The capacity provider[ {providers}] is not associated with cluster {cluster|of the task}",
        step: "Associate it (AWS::ECS::ClusterCapacityProviderAssociations, also for FARGATE and FARGATE_SPOT; its \
               list replaces the cluster's, so name every provider of the cluster)[deploy:  and let the resource \
               depend on that (DependsOn)], or correct CapacityProviderStrategy",
        ..ENTRY
    },
    CatalogueEntry {
        id: "provider-not-usable",
        says: &[
            "capacity provider*is not in an ACTIVE state",
            "capacity provider*cannot be used",
            "cannot contain a mix",
            "capacity provider strategy cannot contain",
            "capacity providers of different",
        ],
        rank: Rank::Area,
        lead: "CapacityProviderStrategy[ ({providers})] cannot be used like this",
        step: "Name providers of one kind only (Fargate's, or those of Auto Scaling groups), each ACTIVE and associated with \
               the cluster",
        ..ENTRY
    },
    CatalogueEntry {
        id: "cluster-not-found",
        says: &[
            "ClusterNotFoundException",
            "Cluster not found",
            "The referenced cluster was inactive",
        ],
        lead: "There is no cluster {cluster|of that name}[ in region {region} of account {account}]",
        step: "Correct Cluster[deploy: ; it must be in the function's region and account]",
        ..ENTRY
    },
    CatalogueEntry {
        id: "definition-inactive",
        says: &["TaskDefinition is inactive"],
        lead: "The task definition {definition|of the task} is not active: it has been deregistered",
        step: "Name an active revision [deploy: in TaskDefinition][alert: (or the family alone) in the schedule or \
               the caller's request], or register a new one",
        ..ENTRY
    },
    CatalogueEntry {
        id: "definition-not-found",
        says: &[
            "Unable to describe task definition",
            "TaskDefinition not found",
        ],
        lead: "There is no task definition {definition|of that name}[ in region {region} of account {account}]",
        step: "Correct TaskDefinition: its family, and its revision if it names one",
        ..ENTRY
    },
    CatalogueEntry {
        id: "override-container",
        of_call: true,
        says: &["Override for container named {named} is not a container"],
        lead: "Overrides names the container {named}, which the task definition {definition|of the task} does not \
               have[: it has only {containers}]",
        step: "Correct Name under ContainerOverrides",
        ..ENTRY
    },
    CatalogueEntry {
        id: "override-refused",
        of_call: true,
        rank: Rank::Area,
        says: &[
            "Overrides length must be at most",
            "containerOverrides",
            "Container Overrides length",
        ],
        lead: "ECS refuses Overrides as they are",
        step: "Shorten or correct Overrides: ECS accepts at most 8,192 characters of JSON. Put long values into S3, \
               Secrets or the image",
        ..ENTRY
    },
    CatalogueEntry {
        id: "network-missing",
        of_call: true,
        says: &["Network Configuration must be provided"],
        lead: "The task definition {definition|of the task} has the network mode awsvpc, but the resource names no \
               network",
        step: "Set NetworkConfiguration: AwsvpcConfiguration with Subnets and SecurityGroups, or Service to take them from a \
               service",
        ..ENTRY
    },
    CatalogueEntry {
        id: "network-not-wanted",
        of_call: true,
        says: &["Network Configuration is not valid for the given networkMode"],
        lead: "NetworkConfiguration is for the network mode awsvpc, which the task definition {definition|of the task} does not \
               have",
        step: "Leave NetworkConfiguration out, or set NetworkMode: awsvpc in the task definition",
        ..ENTRY
    },
    CatalogueEntry {
        id: "public-ip-on-ec2",
        says: &[
            "Assign public IP is not supported for this launch type",
            "AssignPublicIp*not supported",
        ],
        lead: "AssignPublicIp: ENABLED is for Fargate, but this task starts on EC2",
        step: "Set LaunchType: FARGATE, or leave AssignPublicIp out and use subnets with a NAT gateway",
        ..ENTRY
    },
    CatalogueEntry {
        id: "subnet-not-found",
        says: &[
            "subnet ID {subnet} does not exist",
            "InvalidSubnetID.NotFound",
        ],
        lead: "The subnet[ {subnet}] does not exist in the region and account of the task",
        step: "Correct Subnets in NetworkConfiguration",
        ..ENTRY
    },
    CatalogueEntry {
        id: "security-group-not-found",
        says: &[
            "security group {group} does not exist",
            "InvalidGroup.NotFound",
            "InvalidGroupId.Malformed",
        ],
        lead: "The security group[ {group}] does not exist in the region and account of the task",
        step: "Correct SecurityGroups in NetworkConfiguration: ids (sg-…), not names",
        ..ENTRY
    },
    CatalogueEntry {
        id: "other-vpc",
        says: &[
            "belong to different networks",
            "security group*are not in the same VPC",
            "do not belong to the same VPC",
            "must be in the same VPC",
        ],
        lead: "Subnets and security groups of the task are not in the same VPC",
        step: "Set Subnets and SecurityGroups in NetworkConfiguration to ones in the same VPC[. It now has {network}]",
        ..ENTRY
    },
    CatalogueEntry {
        id: "ec2-refused",
        of_call: true,
        rank: Rank::Area,
        says: &[
            "Error retrieving * information for",
            "(ErrorCode: {ec2Code})",
        ],
        lead: "EC2 refused the NetworkConfiguration of the start[ ({ec2Code})]",
        step: "Correct Subnets and SecurityGroups: they must be in one VPC, in the function's region and account[. \
               NetworkConfiguration now has {network}]",
        ..ENTRY
    },
    CatalogueEntry {
        id: "launch-type-mismatch",
        says: &[
            "Task definition does not support launch_type {launchType}",
            "does not support launch_type",
            "not compatible with the selected compute strategy",
            "launch type*not compatible",
        ],
        lead: "The task definition {definition|of the task} cannot run as[ {launchType|what the start asks for}]",
        step: "Add it to RequiresCompatibilities in the task definition (Fargate needs NetworkMode: awsvpc, Cpu and Memory), \
               or set LaunchType or CapacityProviderStrategy to what the definition is for",
        ..ENTRY
    },
    CatalogueEntry {
        id: "fargate-size",
        of_call: true,
        says: &[
            "No Fargate configuration exists for given values",
            "Fargate resource requirements",
            "Invalid cpu setting for task",
        ],
        lead: "Fargate does not support this combination of Cpu and Memory",
        step: "Set a pair that it supports, such as 256 and 512, 1024 and 2048, or 4096 and 8192, in the task \
               definition and in Overrides",
        ..ENTRY
    },
    CatalogueEntry {
        id: "platform-version",
        of_call: true,
        says: &[
            "platform version*does not exist",
            "platform version*doesn't exist",
            "PlatformUnknownException",
            "The specified platform does not exist",
        ],
        lead: "Fargate has no platform version {platformVersion|of the name in PlatformVersion}",
        step: "Set PlatformVersion to LATEST, or to a whole version (1.4.0, not 1.4)",
        ..ENTRY
    },
    CatalogueEntry {
        id: "platform-capability",
        says: &[
            "PlatformTaskDefinitionIncompatibilityException",
            "requested capabilities are not supported",
            "requested compatibilities are not supported",
            "satisfy the required capabilities",
            "task definition's required capabilities",
            "platform version*does not support",
        ],
        of_call: true,
        lead: "The task definition {definition|of the task} uses a feature that its Fargate platform[ (PlatformVersion \
               {platformVersion})] does not have",
        step: "Take it out of the task definition[, or set PlatformVersion: LATEST instead of {platformVersion}]. On \
               Windows, it is usually EphemeralStorage, an EFS or EBS volume, FireLens or LinuxParameters; before \
               platform version 1.4.0, usually EFS, EphemeralStorage, ECS Exec or ARM64. Otherwise, Fargate does not \
               have the OperatingSystemFamily or CpuArchitecture of RuntimePlatform in this region",
        ..ENTRY
    },
    CatalogueEntry {
        id: "unsupported-here",
        says: &[
            "UnsupportedFeatureException",
            "not supported in this region",
            "unsupported Availability Zone",
            "is not supported in your region",
            "isn't supported in this Region",
        ],
        lead: "The task uses something that ECS does not offer in this region or Availability Zone",
        step: "Remove it from the task definition, or use subnets in other Availability Zones",
        ..ENTRY
    },
    CatalogueEntry {
        id: "account-blocked",
        says: &["BlockedException", "Your account is currently blocked"],
        lead: "AWS has blocked this account, so it cannot start tasks",
        step: "Do what AWS asks for (AWS Health Dashboard, Billing, the account's mail), and open a case with AWS \
               Support",
        ..ENTRY
    },
    CatalogueEntry {
        id: "short-arns",
        of_call: true,
        says: &["new ARN and resource ID format must be enabled"],
        lead: "The account still has short ARNs for tasks, which cannot have tags, but the template asks for tags",
        step: "Run aws ecs put-account-setting-default --name taskLongArnFormat --value enabled, or leave Tags, \
               PropagateTags and EnableECSManagedTags out",
        // The runner's own tags would fail every start. Without them the creation time of a task
        // tells which request started it.
        retry: Retry::WithoutTags,
        ..ENTRY
    },
    CatalogueEntry {
        id: "exec-no-role",
        says: &[
            "valid task role is not being used",
            "execute command feature needs a task role",
        ],
        of_call: true,
        lead: "EnableExecuteCommand needs a task role, but the task definition {definition|of the task} has none",
        step: "Set TaskRoleArn in the task definition to a role that allows ssmmessages:CreateControlChannel, \
               CreateDataChannel, OpenControlChannel and OpenDataChannel, or leave EnableExecuteCommand out",
        ..ENTRY
    },
    CatalogueEntry {
        id: "exec-not-usable",
        of_call: true,
        says: &["execute command*", "ExecuteCommand", "ECS Exec"],
        rank: Rank::Area,
        lead: "EnableExecuteCommand cannot be used with this task",
        step: "Give the task definition a TaskRoleArn that allows the ssmmessages actions, or leave EnableExecuteCommand out",
        ..ENTRY
    },
    CatalogueEntry {
        id: "request-conflict",
        of_call: true,
        rank: Rank::Area,
        says: &["ConflictException", "client token"],
        lead: "ECS knows the client token of this start from another call, and names no task of it",
        step: "Deploy again: the next start has its own token, and the function first stops the tasks of the earlier \
               one",
        retry: Retry::Throttled,
        ..ENTRY
    },
    CatalogueEntry {
        id: "pass-role-denied",
        of_call: true,
        says: &[
            "~assumed-role/{caller}/*not authorized to perform: iam:PassRole on resource: {role}",
            "~not authorized to perform: iam:PassRole on resource: {role}",
            "~not authorized to perform: iam:PassRole",
        ],
        lead: "The role [deploy: of the function][alert: {caller|of the caller}] is not allowed to pass the role[ \
               {role}] to ECS",
        step: "[deploy: {allow|Grant iam:PassRole to the role of the function, on TaskRoleArn and ExecutionRoleArn \
               of the task definition, with iam:PassedToService ecs-tasks.amazonaws.com}][alert: Allow {caller|the \
               caller} iam:PassRole on TaskRoleArn and ExecutionRoleArn of the task definition, with \
               iam:PassedToService ecs-tasks.amazonaws.com]",
        // The stack that runs the task has often just created the role and its policy.
        retry: Retry::Denied,
        ..ENTRY
    },
    CatalogueEntry {
        id: "denied-by-policy",
        of_call: true,
        says: &["explicit deny"],
        rank: Rank::Cause,
        lead: "A policy denies {operation|the call} to [deploy: the role of the function][alert: {caller|the caller}]",
        step: "AWS's message names the policy with the explicit Deny: a service or resource control policy, a \
               permissions boundary, a session policy, the policy of a VPC endpoint or of the resource, or the \
               role's own. No grant overrides it: ask its owner for an exception, or change the call",
        alert: "denied by a policy",
        ..ENTRY
    },
    CatalogueEntry {
        id: "permission-missing",
        of_call: true,
        rank: Rank::Area,
        says: &[
            "assumed-role/{caller}/*is not authorized to perform: {action}",
            "is not authorized to perform: {action}",
            "AccessDenied",
            "UnauthorizedOperation",
            "IAM permissions policies have been misconfigured",
        ],
        lead: "The role [deploy: of the function is not allowed to call {operation|AWS}][alert: {caller|of the \
               caller} is not allowed to call {action|AWS}]",
        step: "[deploy: {allow|Grant it to the role of the function}][alert: Grant it to that role, or allow it in \
               the policy that AWS's message names]",
        retry: Retry::Denied,
        alert: "permission missing",
        ..ENTRY
    },
    // ---- Requests that are refused before anything starts ----
    CatalogueEntry {
        id: "request-refused",
        lead: "Nothing was started: {problem}",
        step: "Correct the property or the function's setting that the text names; rehearse and the rules for \
               cfn-lint find most of these before a deploy",
        ..REFUSED
    },
    CatalogueEntry {
        id: "watch-containers",
        lead: "Nothing was started: WatchContainers names {unknown}, but the task definition {definition} has only \
               {containers}",
        step: "Correct WatchContainers",
        ..REFUSED
    },
    CatalogueEntry {
        id: "service-not-found",
        lead: "Nothing was started: cluster {cluster} has no service {service}",
        step: "Correct Service or Cluster. If this stack creates the service, give LaunchType and NetworkConfiguration \
               instead of Service, because the task must run before the service",
        ..REFUSED
    },
    CatalogueEntry {
        id: "superseded",
        class: FailureClass::NoRun,
        lead: "CloudFormation has sent a newer request for this resource, so this one was cancelled. None of its tasks is \
               running",
        step: "Nothing to do: the function answers the newer request separately",
        ..ENTRY
    },
    // ---- The function itself ----
    CatalogueEntry {
        id: "self-invocation",
        lead: "The function could not invoke itself to continue waiting, so it stopped the task",
        step: "{allow|Deploy again}. Its work may be half done",
        ..OWN
    },
    CatalogueEntry {
        id: "lost-sight",
        lead: "The function can no longer read the state of the task on cluster {cluster}, so it stopped the task",
        step: "{allow|Deploy again}. Its work may be half done",
        ..OWN
    },
    CatalogueEntry {
        id: "function-died",
        lead: "{What}",
        step: "Check the log of the function for the cause (out of memory, timed out), and deploy again. The task's \
               work may be half done",
        ..OWN
    },
    CatalogueEntry {
        id: "own-fault",
        lead: "ecs-tasks hit an internal error",
        step: "Deploy again. The log of the function has the error; please report it to the maintainers of ecs-tasks",
        ..OWN
    },
    // ---- What a service reports ----
    CatalogueEntry {
        id: "service-cannot-start",
        rank: Rank::Area,
        says: &[
            "is unable to consistently start tasks successfully",
            "^SERVICE_TASK_START_IMPAIRED$",
        ],
        lead: "The service cannot start its tasks: several in a row have failed",
        step: "The alerts about its tasks say why they stopped. For an hour, you can also look them up: aws ecs \
               list-tasks --cluster {cluster|CLUSTER} --service-name {service|SERVICE} --desired-status STOPPED, \
               then aws ecs describe-tasks --cluster {cluster|CLUSTER} --tasks TASK (stoppedReason and the reason of \
               each container)",
        alert: "tasks cannot be started",
        ..ENTRY
    },
    CatalogueEntry {
        id: "deployment-not-started",
        says: &[
            "deployment circuit breaker: tasks failed to start",
            "deployment failed: tasks failed to start",
        ],
        lead: "The new tasks of the service failed to start, so ECS ended the deployment; its old tasks keep running",
        step: "The alerts about the new ones say why they stopped. For an hour, you can also look them up: aws ecs \
               list-tasks --cluster {cluster|CLUSTER} --service-name {service|SERVICE} --desired-status STOPPED, \
               then aws ecs describe-tasks --cluster {cluster|CLUSTER} --tasks TASK (stoppedReason and the reason of \
               each container). With Rollback: true in DeploymentCircuitBreaker, ECS returns to the last deployment \
               that worked",
        alert: "deployment failed",
        ..ENTRY
    },
    CatalogueEntry {
        id: "deployment-failed",
        rank: Rank::Area,
        says: &["deployment failed", "^SERVICE_DEPLOYMENT_FAILED$"],
        lead: "The deployment of the service failed: its new tasks did not start or stay healthy, or an alarm went off",
        step: "The service's events say which (aws ecs describe-services --cluster {cluster|CLUSTER} --services \
               {service|SERVICE}); stopped tasks say why: aws ecs list-tasks --cluster {cluster|CLUSTER} --service-name \
               {service|SERVICE} --desired-status STOPPED, then aws ecs describe-tasks (stoppedReason)",
        alert: "deployment failed",
        ..ENTRY
    },
    CatalogueEntry {
        id: "deployment-percent",
        says: &["Update the minimumHealthyPercent or maximumPercent value"],
        lead: "MinimumHealthyPercent and MaximumPercent let the deployment neither stop nor start a task",
        step: "Lower MinimumHealthyPercent or raise MaximumPercent",
        alert: "deployment is stuck",
        ..ENTRY
    },
    CatalogueEntry {
        id: "target-missing",
        says: &["due to TARGET IS NOT FOUND"],
        lead: "A task of the service is no longer registered in its target group",
        step: "Find out in CloudTrail's event history who called DeregisterTargets. If ECS does not replace the task, \
               force a new deployment: aws ecs update-service --cluster {cluster|CLUSTER} --service {service|SERVICE} \
               --force-new-deployment",
        alert: "target is missing",
        ..ENTRY
    },
    CatalogueEntry {
        id: "target-group",
        says: &["due to TARGET GROUP IS NOT FOUND"],
        lead: "The target group of the service no longer exists",
        step: "Set TargetGroupArn in LoadBalancers of the service to a target group that exists and that a listener \
               uses: ECS then replaces the tasks. The service need not be deleted",
        alert: "target group is missing",
        ..ENTRY
    },
    CatalogueEntry {
        id: "placement-failed",
        rank: Rank::Prefix,
        says: &[
            "was unable to place a task because no container instance met all of its requirements",
            "was unable to place a task",
            "^SERVICE_TASK_PLACEMENT_FAILURE$",
        ],
        lead: "ECS could not place a task of the service",
        step: "Compare what the task asks for (cpu, memory, ports, attributes) with the free capacity of the cluster, or add \
               instances",
        alert: "no place for a task",
        ..ENTRY
    },
    // ---- What is not known ----
    CatalogueEntry {
        id: "service-setting",
        says: &["^SERVICE_TASK_CONFIGURATION_FAILURE$"],
        lead: "ECS cannot start the service's tasks, because of a setting",
        step: "Correct the setting that AWS's message names: usually a role that ECS cannot assume, or tags in an \
               account without long ARNs (account setting taskLongArnFormat)",
        ..ENTRY
    },
    CatalogueEntry {
        id: "service-health-unknown",
        says: &["^SERVICE_HEALTH_UNKNOWN$"],
        lead: "ECS could not read the health of the service's tasks",
        step: "Check that the service's target group exists, and that AWSServiceRoleForECS may call \
               elasticloadbalancing:DescribeTargetHealth",
        ..ENTRY
    },
    CatalogueEntry {
        id: "service-throttled",
        says: &[
            "^ECS_OPERATION_THROTTLED$",
            "^SERVICE_DISCOVERY_OPERATION_THROTTLED$",
        ],
        lead: "AWS throttled the calls of the service's scheduler",
        step: "Wait: ECS tries again by itself. If it happens again, scale and update fewer services at once",
        ..ENTRY
    },
    CatalogueEntry {
        id: "service-unhealthy",
        says: &[
            "^SERVICE_DISCOVERY_INSTANCE_UNHEALTHY$",
            "^VPC_LATTICE_TARGET_UNHEALTHY$",
        ],
        lead: "A task of the service fails the health check of Cloud Map or VPC Lattice",
        step: "Check the path and the port of that health check, the log of the task, and that the task's security \
               group admits the check (for VPC Lattice its managed prefix list)",
        ..ENTRY
    },
    CatalogueEntry {
        id: "daemon-constraint",
        says: &["^SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED$"],
        lead: "A container instance that runs a task of the service (strategy DAEMON) no longer meets its PlacementConstraints",
        step: "Give the instance its attribute back (aws ecs put-attributes), or correct PlacementConstraints. aws ecs \
               list-attributes --cluster {cluster|CLUSTER} --target-type container-instance shows the attributes",
        ..ENTRY
    },
    CatalogueEntry {
        id: "daemon-cannot-start",
        says: &["^DAEMON_TASK_START_IMPAIRED$"],
        lead: "ECS could not start a task of the daemon on a container instance",
        step: "If the instance has no room for it (RESOURCE), lower cpu and memory of the daemon, or use larger \
               instances: more instances do not help. Otherwise, see why the task stopped: aws ecs describe-tasks \
               --cluster {cluster|CLUSTER} --tasks TASK",
        ..ENTRY
    },
    CatalogueEntry {
        id: "daemon-rollback-failed",
        says: &["^DAEMON_DEPLOYMENT_ROLLBACK_FAILED$"],
        lead: "The deployment of the daemon failed, and so did its rollback",
        step: "See statusReason (aws ecs describe-daemon-deployments), and update the daemon to a revision that starts",
        ..ENTRY
    },
    CatalogueEntry {
        id: "hook-timed-out",
        says: &["^HOOK_TIMED_OUT$"],
        lead: "Nobody continued or ended the hook before it expired, so ECS rolls the deployment back, or continues \
               it if the timeout action is CONTINUE",
        step: "Start the deployment again; for a PAUSE hook, run aws ecs continue-service-deployment in time, for a \
               Lambda hook see its function's log. Or raise TimeoutInMinutes",
        ..ENTRY
    },
    CatalogueEntry {
        id: "hook-failed",
        says: &["^HOOK_FAILED$"],
        lead: "The hook failed, so ECS rolls the deployment back",
        step: "For a PAUSE hook, there is nothing to do: somebody chose ROLLBACK. For a Lambda hook, see the log of \
               its function, which returned FAILED or an error",
        ..ENTRY
    },
    CatalogueEntry {
        id: "instance-agent",
        says: &["^AGENT_CONNECTIVITY_IMPAIRED$"],
        lead: "The ECS agent of the instance is disconnected, so ECS starts no tasks there",
        step: "On the instance, check the agent (systemctl status ecs; /var/log/ecs/ecs-agent.log), restart it (sudo \
               systemctl restart ecs), and check that it reaches the ECS endpoints on port 443. If that does not help, \
               replace the instance",
        ..ENTRY
    },
    CatalogueEntry {
        id: "instance-runtime",
        says: &["^CONTAINER_RUNTIME_IMPAIRED$"],
        lead: "Docker on the instance does not answer",
        step: "Set the instance to DRAINING (aws ecs update-container-instances-state --cluster {cluster|CLUSTER} \
               --container-instances ID --status DRAINING), wait for its tasks, then replace it. On the instance, \
               systemctl status docker, journalctl -u docker and df -h show the cause; a restart of Docker ends \
               every container on it",
        ..ENTRY
    },
    CatalogueEntry {
        id: "instance-unhealthy",
        rank: Rank::Prefix,
        says: &["^IMPAIRED$", "_IMPAIRED$"],
        lead: "A health check of the container instance failed",
        step: "Drain and replace the instance (ECS does that itself for Managed Instances); if it happens again, see the log \
               of the daemon, or nvidia-smi for an accelerator",
        ..ENTRY
    },
    CatalogueEntry {
        id: "unknown-start",
        rank: Rank::Prefix,
        says: &["^Task failed to start$", "^TaskFailedToStart$"],
        lead: "{Who} could not be started for an unknown reason",
        step: "Read AWS's message, and look at the stopped task within the hour (aws ecs describe-tasks): the image, \
               the execution role or the network is usually the cause",
        alert: "failed to start",
        ..ENTRY
    },
    CatalogueEntry {
        id: "unknown-refusal",
        rank: Rank::Prefix,
        lead: "For an unknown reason, ECS did not start the task",
        step: "Search for AWS's message on the page API failure reasons of the Amazon ECS documentation",
        ..ENTRY
    },
    CatalogueEntry {
        id: "unknown-end",
        rank: Rank::Prefix,
        lead: "The task ended for an unknown reason[ ({stopCode})]",
        step: "Read AWS's message, and look at the stopped task within the hour (aws ecs describe-tasks)",
        ..RAN
    },
];
