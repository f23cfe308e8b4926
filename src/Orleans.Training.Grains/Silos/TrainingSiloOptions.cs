using System.Net;
using Microsoft.Extensions.Options;

namespace Orleans.Training.Grains.Silos;

/// <summary>What a silo needs to know. Without a connection string it keeps everything in the data folder, and all silos run on one machine.</summary>
public sealed class TrainingSiloOptions
{
    /// <summary>The folder of the SQLite database <c>cluster.db</c>; silos of one cluster share it. Needed unless <see cref="PostgresConnectionString"/> is set.</summary>
    public string? DataFolder { get; set; }

    /// <summary>A PostgreSQL database for the cluster and for the journals of its validators; needed when silos run on several machines. Default none.</summary>
    public string? PostgresConnectionString { get; set; }

    /// <summary>The cluster that this silo joins: silos of one cluster see each other. Default <c>otrain</c>.</summary>
    public string ClusterId { get; set; } = "otrain";

    /// <summary>Part of every stored grain's key: must never change while data is kept. Default <c>otrain</c>.</summary>
    public string ServiceId { get; set; } = "otrain";

    /// <summary>The address that other silos reach. Default loopback.</summary>
    public IPAddress Address { get; set; } = IPAddress.Loopback;

    /// <summary>The port for other silos. Default 11111.</summary>
    public int SiloPort { get; set; } = 11_111;

    /// <summary>The port for clients; 0 for none. Default 30000.</summary>
    public int GatewayPort { get; set; } = 30_000;

    /// <summary>What grains may ask of a silo (<see cref="RequireSiloMetadataAttribute"/>), for example role = gpu. Default nothing.</summary>
    public IDictionary<string, string> Labels { get; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>
    /// The value that a label must have where a grain asks for the label alone, for example accelerator = cuda for trainers; to be the same in all silos of a cluster. Default nothing:
    /// any value will do.
    /// </summary>
    public IDictionary<string, string> Needs { get; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>How long a probe waits, and how often silos probe each other. Default 1.5 s.</summary>
    public TimeSpan ProbeTimeout { get; set; } = TimeSpan.FromSeconds(1.5);

    /// <summary>Probes that a silo must miss in a row to be declared dead. Default 3.</summary>
    public int MissedProbes { get; set; } = 3;

    /// <summary>How long a call waits for its answer; must exceed <see cref="ProbeTimeout"/> × <see cref="MissedProbes"/>. Default 10 s.</summary>
    public TimeSpan ResponseTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Bytes of one message between silos; a connection that brings more is closed. Default 32 MiB, at least 8 MiB: consensus sends up to 5.</summary>
    public int MaximumMessageBytes { get; set; } = 32 * 1024 * 1024;

    /// <summary>Mutual TLS on the ports for silos and clients. Default none: the ports are open to whoever reaches them.</summary>
    public SiloTlsOptions? Tls { get; set; }

    /// <summary>Throws unless the options fit each other.</summary>
    /// <exception cref="OptionsValidationException">They do not.</exception>
    public void Validate()
    {
        var failures = new List<string>();
        if (string.IsNullOrEmpty(DataFolder) && string.IsNullOrEmpty(PostgresConnectionString)) failures.Add("OT-7011 Set DataFolder or PostgresConnectionString: the cluster must be kept somewhere.");
        if (string.IsNullOrEmpty(ClusterId) || string.IsNullOrEmpty(ServiceId)) failures.Add("OT-7011 ClusterId and ServiceId must not be empty.");
        if (SiloPort is < 1 or > 65_535 || GatewayPort is < 0 or > 65_535 || SiloPort == GatewayPort) failures.Add($"OT-7011 SiloPort ({SiloPort}) and GatewayPort ({GatewayPort}) must be two ports.");
        if (string.IsNullOrEmpty(PostgresConnectionString) && !IPAddress.IsLoopback(Address)) failures.Add($"OT-7011 Address ({Address}) is not loopback, but a SQLite cluster has one machine: set PostgresConnectionString.");
        if (ProbeTimeout <= TimeSpan.Zero || MissedProbes < 1) failures.Add($"OT-7011 ProbeTimeout ({ProbeTimeout}) and MissedProbes ({MissedProbes}) must be above zero.");
        if (ResponseTimeout <= ProbeTimeout * MissedProbes) failures.Add($"OT-7011 ResponseTimeout ({ResponseTimeout}) must exceed ProbeTimeout × MissedProbes ({ProbeTimeout * MissedProbes}).");
        if (MaximumMessageBytes < 8 * 1024 * 1024) failures.Add($"OT-7011 MaximumMessageBytes ({MaximumMessageBytes}) must be 8 MiB or more: blocks travel in messages.");
        if (Tls is not null) failures.AddRange(Tls.Failures());
        if (failures.Count > 0) throw new OptionsValidationException(nameof(TrainingSiloOptions), typeof(TrainingSiloOptions), failures);
    }
}
