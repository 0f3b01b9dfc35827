"""Mistakes planted on Azure: which of them a preview tells, and which layer tells it."""

from pathlib import Path

from suites.mistakes import MistakesSuite


class TestAzure(MistakesSuite):
    PROGRAM = Path(__file__).parent / "stacks" / "azure_mistakes"
    ZONE = Path(__file__).parents[2] / "azure"
    COUNTED = "that are Azure's own"

    # By mistake: the layer that tells it, and words of the message. The last ones nothing tells.
    CAUGHT = {
        "unknown_argument": ("sdk", "unexpected keyword argument 'allow_keys'"),
        "wrong_type": ("schema", "retentionInDays: expected a value of type integer, not string"),
        "text_for_list": ("schema", "audiences: expected a list"),
        "misspelt_inside": ("schema", "properties.enable_rbac: there is no such property"),
        "missing_inside": ("schema", "properties.tenantId: this property is required"),
        "bad_enum": ("schema", "sku.name: 'Standard_LSR' is none of Standard_LRS"),
        "duplicate_name": ("engine", "Duplicate resource URN"),
        "shared_key": ("policy", "allowSharedKeyAccess has to be False"),
        "public_account": ("policy", "allowBlobPublicAccess has to be False"),
        "old_tls": ("policy", "minimumTlsVersion is below TLS1_2"),
        "kept_for_ever": ("policy", "it has no ManagementPolicy"),
        "no_purge_protection": ("policy", "properties.enablePurgeProtection is not set"),
        "administrator": ("policy", "adminUserEnabled has to be False"),
        "contributor": ("policy", "it gives Contributor"),
        "whole_subscription": ("policy", "it reaches all of /subscriptions/1"),
        "starred_role": ("policy", "workspaces/*/read' holds a star"),
        "every_branch": ("policy", "subject does not name one workflow"),
        "waiting_gpus": ("policy", "minNodeCount is 1: GPU machines would run"),
        "open_login": ("policy", "remoteLoginPortPublicAccess is not Disabled"),
        "open_group": ("policy", "sourceAddressPrefix lets * in"),
        "no_tags": ("policy", "tags lack stack, environment"),
    }
    MISSED = {
        "versions_and_folders": "Azure alone knows that folders and versions do not go together",
        "capitals": "to the SDK one text is as good as another for a name",
    }
