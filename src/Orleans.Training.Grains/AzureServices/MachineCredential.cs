using Azure.Core;
using Azure.Identity;

namespace Orleans.Training.Grains.AzureServices;

/// <summary>Who this machine is for Azure: what its environment says (AZURE_CLIENT_ID and so on), a workload identity, or the managed identity of the machine.</summary>
internal static class MachineCredential
{
    public static TokenCredential Create() => new ChainedTokenCredential(new EnvironmentCredential(), new WorkloadIdentityCredential(), new ManagedIdentityCredential(ManagedIdentityId.SystemAssigned));
}
