using System.CommandLine;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using System.Security.Cryptography.X509Certificates;
using Orleans.Training.Gateway.Keys;
using Orleans.Training.Gateway.Validators;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.History;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Links;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Cli.Validators;

/// <summary><c>otrain validator</c>: one seat in a process of its own organisation, without a silo and without a database (docs/spec/links.md §8).</summary>
internal static class ValidatorCommand
{
    public static Command Create() => new("validator", "Runs one organisation's validator, and prepares what it needs.")
    {
        SeatFiles.Keys(),
        SeatFiles.Genesis(),
        ApiKey(),
        RunCommand(),
        JoinCommands.Invite(),
        JoinCommands.Request(),
        ChangeCommands.Propose(),
        ChangeCommands.Vote(),
        ChangeCommands.Redelegate(),
        ChangeCommands.Convict(),
    };

    /// <summary>The folder of one validator.</summary>
    internal static Option<string> Data() => new("--data") { Description = "The folder of this validator: keys, journal, blobs.", Required = true };

    /// <summary>The organisation.</summary>
    internal static Option<string> Name()
    {
        var name = new Option<string>("--name") { Description = "The organisation's name on the ledger.", Required = true };
        name.Validators.Add(result => { if (result.GetValue(name) is not { } text || !ParticipantId.TryParse(text, out _)) result.AddError("--name must be a participant's name: lower-case letters, digits, dots and hyphens."); });
        return name;
    }

    /// <summary>The validator that a command talks to.</summary>
    internal static Option<Uri?> Address() => HttpAddress("--address", "Where a validator of the shard listens, best the own one: for example http://127.0.0.1:7443.", required: true);

    /// <summary>An address of HTTP.</summary>
    internal static Option<Uri?> HttpAddress(string name, string description, bool required) => new(name)
    {
        Description = description,
        Required = required,
        CustomParser = result =>
        {
            if (Uri.TryCreate(result.Tokens[^1].Value, UriKind.Absolute, out var address) && (address.Scheme == Uri.UriSchemeHttp || address.Scheme == Uri.UriSchemeHttps)) return address;
            result.AddError($"{name} must be an address such as https://validator.example:7443.");
            return null;
        },
    };

    /// <summary>The organisation that <see cref="Name"/> was given.</summary>
    internal static ParticipantId OrganisationOf(string? name) => ParticipantId.TryParse(name, out var organisation) ? organisation : default;

    private static Command ApiKey()
    {
        var data = Data();
        var tenant = new Option<string>("--for") { Description = "Who will hold the key.", Required = true };
        var genesis = GenesisFile();
        var command = new Command("api-key", "Makes an API key that may read from this validator; it is shown once.") { data, tenant, genesis };
        command.SetAction(parsed =>
        {
            Console.WriteLine(ApiKeys.Create(GatewaySetup.KeyFile(parsed.GetValue(data)!), parsed.GetValue(tenant)!, [SeatFiles.Load(parsed.GetValue(genesis)!).Shard], Scopes.All, TimeProvider.System));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Option<string> GenesisFile() => new("--genesis") { Description = "The genesis of the shard, as all validators have it.", Required = true };

    private static Command RunCommand()
    {
        var (data, name, genesis) = (Data(), Name(), GenesisFile());
        var peers = new Option<string>("--peers") { Description = "A file with a line 'seat NAME [ADDRESS [KEY]]' for each other seat, and 'relay NAME ADDRESS' for relays.", Required = true };
        var listen = new Option<string>("--listen") { Description = "Where to listen, for example 0.0.0.0:7443; port 0 for any.", DefaultValueFactory = _ => "127.0.0.1:7443" };
        listen.Validators.Add(result => { if (!IPEndPoint.TryParse(result.GetValue(listen)!, out _)) result.AddError("--listen must be an address and a port, such as 0.0.0.0:7443."); });
        var certificate = new Option<string?>("--tls-certificate") { Description = "PEM file with the certificate for HTTPS." };
        var key = new Option<string?>("--tls-key") { Description = "PEM file with its key." };
        var proxied = new Option<bool>("--behind-proxy") { Description = "Listen without TLS beyond this machine: a proxy in front has it." };
        var witness = new Option<string?>("--witness") { Description = "A file (C2SP tlog-policy): 'log VKEY' for each log that this validator is a witness of, 'witness NAME VKEY ADDRESS' for each witness of this validator's log." };
        var keyDays = new Option<int>("--vote-key-days") { Description = "How long a vote key serves before the validator makes another and destroys it, in days from 1 to 30.", DefaultValueFactory = _ => 7 };
        keyDays.Validators.Add(result => { if (result.GetValue(keyDays) is < 1 or > 30) result.AddError("--vote-key-days is a number from 1 to 30."); });
        var snapshots = new Option<int>("--snapshot-every") { Description = "Leaves of the ledger from one snapshot of the state to the next, the same for all validators: from 64 to 1000000. A later start begins there, and so does who joins.", DefaultValueFactory = _ => Snapshot.Interval };
        snapshots.Validators.Add(result => { if (result.GetValue(snapshots) is < 64 or > 1_000_000) result.AddError("--snapshot-every is a number from 64 to 1000000."); });
        var command = new Command("run", "Runs the validator until it is told to stop (SIGTERM, Ctrl-C).") { data, name, genesis, peers, listen, certificate, key, proxied, witness, keyDays, snapshots };
        command.SetAction((parsed, cancellationToken) => Run(
            new ValidatorPlan(
                Path.GetFullPath(parsed.GetValue(data)!),
                OrganisationOf(parsed.GetValue(name)),
                parsed.GetValue(genesis)!,
                parsed.GetValue(peers)!,
                IPEndPoint.Parse(parsed.GetValue(listen)!),
                parsed.GetValue(certificate),
                parsed.GetValue(key),
                parsed.GetValue(proxied),
                parsed.GetValue(witness),
                TimeSpan.FromDays(parsed.GetValue(keyDays)),
                parsed.GetValue(snapshots)),
            cancellationToken));
        return command;
    }

    private static async Task<int> Run(ValidatorPlan plan, CancellationToken cancellationToken)
    {
        using var certificate = plan.LoadCertificate();
        var files = new ShardFiles(plan.Data);
        var genesis = files.Keep(SeatFiles.Load(plan.Genesis));
        var peers = LinkPeers.Load(plan.Peers);
        var builder = WebHosting.Create(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = FileBlobStore.DefaultMaximumBytes;
            kestrel.Listen(plan.Listen, endpoint =>
            {
                // Links are WebSockets of HTTP/1.1; readers may use either.
                endpoint.Protocols = certificate is null ? HttpProtocols.Http1 : HttpProtocols.Http1AndHttp2;
                if (certificate is not null) endpoint.UseHttps(new HttpsConnectionAdapterOptions { ServerCertificate = certificate });
            });
        });
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.Services.AddRouting();
        await using var app = builder.Build();
        var store = FileValidatorStore.Open(new FileValidatorStoreOptions { Folder = files.JournalFolder(genesis.Shard, plan.Organisation), Validator = plan.Organisation.Name });
        var loggers = app.Services.GetRequiredService<ILoggerFactory>();
        var history = HistoryFolder.OpenIfFree(files.HistoryFolder(genesis.Shard, plan.Organisation), loggers.CreateLogger<HistoryFolder>(), plan.SnapshotEvery);
        await using var seat = await ValidatorSeat.Open(genesis, new KeyFolder(files.KeyRoot, plan.Organisation), store, new FileBlobStore(files.BlobFolder), files.EvidenceFolder(genesis.Shard), peers, null, TimeProvider.System, loggers, cancellationToken, history, plan.KeyLife);
        var witnessing = plan.LoadWitnessing();
        using var witness = witnessing is { Logs.Count: > 0 } ? plan.OpenWitness(witnessing.Logs) : null;
        await using var witnesses = witnessing is { Witnesses.Count: > 0 } ? new Witnesses(seat, witnessing, TimeProvider.System, app.Services.GetRequiredService<ILogger<Witnesses>>()) : null;
        app.MapValidator(seat, GatewaySetup.KeyFile(plan.Data), witness, witnesses);
        await app.StartAsync(cancellationToken);
        Console.WriteLine(JsonLine.Of(("ready", true), ("http", WebHosting.AddressOf(app)), ("shard", genesis.Shard.ToString()), ("chain", genesis.Chain.ToString()), ("height", seat.Chain.Count - 1), ("seat", seat.Number), ("snapshot", seat.StartedFrom), ("witness", witness?.Key.ToString())));

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, app.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping);
        // A seat that has ended may not go on answering as if it took part.
        await seat.Completion.WaitAsync(ended.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        await app.StopAsync(patience.Token);
        // Stopping the application looks like being told to stop: what ended the seat counts.
        if (seat.Completion.IsFaulted) await seat.Completion;
        return ExitCode.Ok;
    }
}

/// <summary>What one validator process is told.</summary>
internal sealed record ValidatorPlan(string Data, ParticipantId Organisation, string Genesis, string Peers, IPEndPoint Listen, string? CertificateFile, string? KeyFile, bool BehindProxy, string? WitnessFile, TimeSpan KeyLife, int SnapshotEvery)
{
    private const int MaximumWitnessBytes = 64 * 1024;

    /// <summary>The certificate for HTTPS; null for none.</summary>
    /// <exception cref="OperationalException">OT-7044: it does not load, or there is none where there must be one.</exception>
    public X509Certificate2? LoadCertificate()
    {
        if (CertificateFile is null != KeyFile is null) throw new OperationalException("OT-7044", "--tls-certificate and --tls-key go together.");
        if (CertificateFile is null)
        {
            return BehindProxy || IPAddress.IsLoopback(Listen.Address)
                ? null
                : throw new OperationalException("OT-7044", $"Beyond this machine API keys would cross the network in clear: give --tls-certificate and --tls-key, or --behind-proxy when a proxy before {Listen} has TLS.");
        }

        try
        {
            return X509Certificate2.CreateFromPemFile(CertificateFile, KeyFile);
        }
        catch (Exception exception) when (exception is System.Security.Cryptography.CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new OperationalException("OT-7044", $"{CertificateFile} and {KeyFile} are no certificate with its key: {exception.Message}");
        }
    }

    /// <summary>The logs to watch, and the witnesses to ask; null without such a file.</summary>
    /// <exception cref="OperationalException">OT-7071: it is no such file.</exception>
    public TrustPolicy? LoadWitnessing()
    {
        if (WitnessFile is null) return null;
        if (!File.Exists(WitnessFile) || new FileInfo(WitnessFile).Length > MaximumWitnessBytes) throw new OperationalException("OT-7071", $"There is no file {WitnessFile} of at most {MaximumWitnessBytes} bytes.");
        // Who must have signed is for the verifiers to say, not here.
        if (!TrustPolicy.TryParse(File.ReadAllText(WitnessFile) + "\nquorum none", out var policy, out var problem)) throw new OperationalException("OT-7071", $"{WitnessFile}: {problem}. It holds lines 'log VKEY' and 'witness NAME VKEY ADDRESS'.");
        if (policy!.Witnesses.FirstOrDefault(witness => policy.AddressOf(witness) is not { } address || address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps) is { } lost) throw new OperationalException("OT-7071", $"{WitnessFile}: the witness {lost.Name} has no address that begins with https:// or http://.");
        return policy;
    }

    /// <summary>The witness of these logs. Its key is made when there is none yet.</summary>
    public LogWitness OpenWitness(IReadOnlyList<NoteKey> logs)
    {
        var folder = new KeyFolder(new ShardFiles(Data).KeyRoot, Organisation);
        var signer = folder.Names.Contains("witness") ? folder.Open("witness") : folder.Create("witness", SignatureAlgorithm.Ed25519);
        return new LogWitness(new NoteKey($"{Organisation}/witness", NoteKeyKind.Cosignature, signer.PublicKey), signer, logs, Path.Combine(Data, "witness"), TimeProvider.System);
    }
}
