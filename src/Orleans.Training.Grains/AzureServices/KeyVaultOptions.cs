using Azure.Core;

namespace Orleans.Training.Grains.AzureServices;

/// <summary>How a vault is asked. Retries, transport and diagnostics are Azure.Core's; nothing of requests and answers is logged.</summary>
public sealed class KeyVaultOptions : ClientOptions
{
    public KeyVaultOptions()
    {
        Diagnostics.IsLoggingContentEnabled = false;
        Diagnostics.IsDistributedTracingEnabled = false;
        Diagnostics.IsTelemetryEnabled = false;
        Retry.NetworkTimeout = TimeSpan.FromSeconds(10);
    }

    /// <summary>The version of the REST interface. Default 7.6.</summary>
    public string ApiVersion { get; set; } = "7.6";

    /// <summary>How long one call may take with all its retries, also when the vault asks to wait longer. Default 30 s.</summary>
    public TimeSpan Patience { get; set; } = TimeSpan.FromSeconds(30);
}
