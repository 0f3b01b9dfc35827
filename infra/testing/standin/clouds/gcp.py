"""Google Cloud: how resources are named and addressed there, and which changes make a new one.

Addresses after Google's resource names. What makes a new resource the SDK does not say in a form
that can be read, so it is here, after the provider's own documentation of each type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from standin.provider import Cloud, Facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standin.values import Properties

PROJECT = "projects/{project}"
GLOBAL = PROJECT + "/global"
LOCATION = PROJECT + "/locations/{location}"
MEMBER = ("role", "member")


def _member(resource: str, *of: str, name: str = "") -> Facts:
    """Return the facts of a member of a role on a resource."""
    return Facts(
        name=name, id=resource + "/{role}/{member}", computed={"etag": "{short}"},
        replaces=(*of, *MEMBER),
    )  # fmt: skip


FACTS: dict[str, Facts] = {
    f"gcp:{token}": facts
    for token, facts in {
        "projects/service:Service": Facts(
            name="", id=PROJECT + "/{service}", replaces=("project", "service")
        ),
        "projects/serviceIdentity:ServiceIdentity": Facts(
            name="",
            id=PROJECT + "/services/{service}",
            computed={"email": "service-{projectNumber}@{service}"},
            replaces=("project", "service"),
        ),
        "projects/iAMCustomRole:IAMCustomRole": Facts(
            name="",
            id=PROJECT + "/roles/{roleId}",
            computed={"name": PROJECT + "/roles/{roleId}"},
            replaces=("project", "roleId"),
        ),
        "projects/iAMMember:IAMMember": _member(PROJECT, "project"),
        "projects/iAMAuditConfig:IAMAuditConfig": Facts(
            name="", id=PROJECT + "/audit/{service}", replaces=("project", "service")
        ),
        "kms/keyRing:KeyRing": Facts(
            id=LOCATION + "/keyRings/{name}", replaces=("project", "location", "name")
        ),
        "kms/cryptoKey:CryptoKey": Facts(
            id="{keyRing}/cryptoKeys/{name}", replaces=("keyRing", "name", "purpose")
        ),
        "kms/cryptoKeyIAMMember:CryptoKeyIAMMember": _member("{cryptoKeyId}", "cryptoKeyId"),
        "storage/bucket:Bucket": Facts(
            id="{name}",
            computed={"url": "gs://{name}", "selfLink": "https://www.googleapis.com/storage/v1/b/{name}"},
            replaces=("project", "location", "name"),
            length=63,
        ),
        "storage/bucketIAMMember:BucketIAMMember": _member("b/{bucket}", "bucket"),
        "artifactregistry/repository:Repository": Facts(
            name="",
            id=LOCATION + "/repositories/{repositoryId}",
            computed={"name": "{repositoryId}"},
            replaces=("project", "location", "repositoryId", "format", "kmsKeyName"),
        ),
        "artifactregistry/repositoryIamMember:RepositoryIamMember": _member(
            LOCATION + "/repositories/{repository}", "project", "location", "repository"
        ),
        "serviceaccount/account:Account": Facts(
            name="",
            id=PROJECT + "/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com",
            computed={
                "name": PROJECT + "/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com",
                "email": "{accountId}@{project}.iam.gserviceaccount.com",
                "member": "serviceAccount:{accountId}@{project}.iam.gserviceaccount.com",
                "uniqueId": "{number}",
            },
            replaces=("project", "accountId"),
        ),
        "serviceaccount/iAMMember:IAMMember": _member("{serviceAccountId}", "serviceAccountId"),
        "iam/workloadIdentityPool:WorkloadIdentityPool": Facts(
            name="",
            id=PROJECT + "/locations/global/workloadIdentityPools/{workloadIdentityPoolId}",
            computed={
                "name": "projects/{projectNumber}/locations/global/workloadIdentityPools"
                "/{workloadIdentityPoolId}"
            },
            replaces=("project", "workloadIdentityPoolId"),
        ),
        "iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": Facts(
            name="",
            id=PROJECT + "/locations/global/workloadIdentityPools/{workloadIdentityPoolId}"
            "/providers/{workloadIdentityPoolProviderId}",
            computed={
                "name": "projects/{projectNumber}/locations/global/workloadIdentityPools"
                "/{workloadIdentityPoolId}/providers/{workloadIdentityPoolProviderId}"
            },
            replaces=("project", "workloadIdentityPoolId", "workloadIdentityPoolProviderId"),
        ),
        "secretmanager/secret:Secret": Facts(
            name="",
            id=PROJECT + "/secrets/{secretId}",
            computed={"name": PROJECT + "/secrets/{secretId}"},
            replaces=("project", "secretId", "replication"),
        ),
        "secretmanager/secretIamMember:SecretIamMember": _member(
            PROJECT + "/secrets/{secretId}", "project", "secretId"
        ),
        "cloudrunv2/service:Service": Facts(
            id=LOCATION + "/services/{name}",
            computed={"uri": "https://{name}-{projectNumber}.{location}.run.app"},
            replaces=("project", "location", "name"),
            length=49,
        ),
        "cloudrunv2/serviceIamMember:ServiceIamMember": _member(
            LOCATION + "/services/{name}", "project", "location", "name", name="name"
        ),
        "sql/databaseInstance:DatabaseInstance": Facts(
            id="{name}",
            computed={"connectionName": "{project}:{region}:{name}"},
            replaces=("project", "region", "name", "encryptionKeyName"),
        ),
        "sql/database:Database": Facts(
            id=PROJECT + "/instances/{instance}/databases/{name}",
            replaces=("project", "instance", "name"),
        ),
        "sql/user:User": Facts(
            id="{name}//{instance}", replaces=("project", "instance", "name", "type")
        ),
        "cloudscheduler/job:Job": Facts(
            id=PROJECT + "/locations/{region}/jobs/{name}", replaces=("project", "region", "name")
        ),
        "pubsub/topic:Topic": Facts(
            id=PROJECT + "/topics/{name}", replaces=("project", "name")
        ),
        "pubsub/subscription:Subscription": Facts(
            id=PROJECT + "/subscriptions/{name}", replaces=("project", "name", "topic")
        ),
        "pubsub/topicIAMMember:TopicIAMMember": _member(
            PROJECT + "/topics/{topic}", "project", "topic"
        ),
        "monitoring/alertPolicy:AlertPolicy": Facts(
            name="",
            id=PROJECT + "/alertPolicies/{number}",
            computed={"name": PROJECT + "/alertPolicies/{number}"},
            replaces=("project",),
        ),
        "monitoring/notificationChannel:NotificationChannel": Facts(
            name="",
            id=PROJECT + "/notificationChannels/{number}",
            computed={"name": PROJECT + "/notificationChannels/{number}"},
            replaces=("project",),
        ),
        "logging/metric:Metric": Facts(id="{name}", replaces=("project", "name")),
        "logging/projectBucketConfig:ProjectBucketConfig": Facts(
            name="",
            id=LOCATION + "/buckets/{bucketId}",
            computed={"name": LOCATION + "/buckets/{bucketId}"},
            replaces=("project", "location", "bucketId"),
        ),
        "billing/budget:Budget": Facts(
            name="",
            id="billingAccounts/{billingAccount}/budgets/{uuid}",
            computed={"name": "billingAccounts/{billingAccount}/budgets/{uuid}"},
            replaces=("billingAccount",),
        ),
        "compute/network:Network": Facts(
            id=GLOBAL + "/networks/{name}", replaces=("project", "name")
        ),
        "compute/subnetwork:Subnetwork": Facts(
            id=PROJECT + "/regions/{region}/subnetworks/{name}",
            replaces=("project", "region", "name", "network"),
        ),
        "compute/globalAddress:GlobalAddress": Facts(
            id=GLOBAL + "/addresses/{name}",
            replaces=(
                "project", "name", "address", "purpose", "addressType", "prefixLength", "network",
            ),
        ),
        "compute/globalForwardingRule:GlobalForwardingRule": Facts(
            id=GLOBAL + "/forwardingRules/{name}",
            replaces=("project", "name", "ipAddress", "loadBalancingScheme", "network"),
            # None is for Google's services, in the provider's words an empty text.
            # https://cloud.google.com/vpc/docs/configure-private-service-connect-apis
            values={"loadBalancingScheme": ("",)},
        ),
        "compute/firewall:Firewall": Facts(
            id=GLOBAL + "/firewalls/{name}", replaces=("project", "name", "direction", "network")
        ),
        "servicenetworking/connection:Connection": Facts(
            name="", id="{network}:{service}", replaces=("network", "service")
        ),
        "dns/managedZone:ManagedZone": Facts(
            id=PROJECT + "/managedZones/{name}",
            replaces=("project", "name", "dnsName", "visibility"),
        ),
        "dns/recordSet:RecordSet": Facts(
            id=PROJECT + "/managedZones/{managedZone}/rrsets/{name}/{type}",
            replaces=("project", "managedZone", "name"),
        ),
    }.items()
}  # fmt: skip


def _project(arguments: Properties, words: Mapping[str, str]) -> Properties:
    project = arguments.get("projectId") or words["project"]
    return {
        "id": f"projects/{project}",
        "projectId": project,
        "number": words["projectNumber"],
        "name": project,
        "autoCreateNetwork": False,
        "billingAccount": "",
        "deletionPolicy": "PREVENT",
        "effectiveLabels": {},
        "folderId": "",
        "labels": {},
        "orgId": "",
        "pulumiLabels": {},
        "tags": {},
    }


CLOUD = Cloud(
    facts=FACTS,
    functions={"gcp:organizations/getProject:getProject": _project},
    surroundings={
        "project": "waterflow-dev",
        "projectNumber": "123456789012",
        "region": "us-central1",
    },
)
