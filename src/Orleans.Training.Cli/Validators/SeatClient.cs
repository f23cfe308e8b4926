using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Cli.Validators;

/// <summary>An organisation at the command line: the one shard of its folder, its keys, and a validator that takes its transactions.</summary>
internal sealed class SeatClient : IDisposable
{
    private const int AnswerBytes = 256 * 1024;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(250);
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(20), MaxResponseContentBufferSize = AnswerBytes };
    private readonly ShardFiles _files;
    private readonly Uri _root;

    /// <summary>Finds the shard of the folder.</summary>
    /// <exception cref="OperationalException">OT-7046: there is none, or more than one.</exception>
    public SeatClient(string data, ParticipantId organisation, Uri address)
    {
        _files = new ShardFiles(data);
        if (_files.Shards is not [var shard]) throw new OperationalException("OT-7046", $"{data} holds {_files.Shards.Count} shards, not one: give the folder that 'validator run' was started with.");
        Genesis = _files.Genesis(shard);
        Keys = new KeyFolder(_files.KeyRoot, organisation);
        _root = new Uri(address.AbsoluteUri.TrimEnd('/') + $"/shards/{shard}/");
    }

    public Genesis Genesis { get; }

    public KeyFolder Keys { get; }

    /// <summary>The present validators and the pending changes, as the validator at the address has them.</summary>
    /// <exception cref="OperationalException">OT-7046: there is no key to read with. OT-7043: the answer is none.</exception>
    public async Task<GovernanceState> Governance(CancellationToken cancellationToken)
    {
        var answer = await Get("governance", cancellationToken) ?? throw Strange("knows nothing of governance");
        return GovernanceState.TryParse(answer, out var state) ? state! : throw Strange("answered with something that no validator says");
    }

    /// <summary>What the ledger has recorded of another one; null when it does not watch it.</summary>
    /// <exception cref="OperationalException">As <see cref="Governance"/>.</exception>
    public async Task<WatchedRecord?> Watched(string origin, CancellationToken cancellationToken)
    {
        var key = WatchedRecord.Key(origin);
        if (await Get(key, cancellationToken) is not { } answer) return null;
        return StateRecord.TryParse(key, answer, out var record) && record is WatchedRecord watched ? watched : throw Strange("answered with something that no validator says");
    }

    private async Task<byte[]?> Get(string path, CancellationToken cancellationToken)
    {
        var key = _files.ReadingKeyOf(Genesis.Shard) ?? throw new OperationalException("OT-7046", $"There is no key to read from the validator with: put one that 'otrain validator api-key' made into {Path.Combine(Path.GetDirectoryName(_files.GenesisFile(Genesis.Shard))!, "reading.key")}.");
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_root, path));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        using var response = await Send(request, cancellationToken);
        if (response.StatusCode is HttpStatusCode.NotFound) return null;
        if (response.StatusCode is not HttpStatusCode.OK) throw Strange($"answered {(int)response.StatusCode}: {(await response.Content.ReadAsStringAsync(cancellationToken)).Trim()}");
        return await response.Content.ReadAsByteArrayAsync(cancellationToken);
    }

    /// <summary>Signs a call with the organisation's transaction key and sees it onto the ledger.</summary>
    /// <exception cref="OperationalException">The number of the rejection: the ledger refused it. OT-7049: it is not final yet. OT-7043: no validator answered.</exception>
    public async Task Commit(ContractCall call, CancellationToken cancellationToken)
    {
        var signer = Keys.Open(KeyFolder.IdentityKey);
        using var owned = signer as IDisposable;
        // The same wish may come a second time, for another reason.
        var salt = BitConverter.GetBytes(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
        var transaction = await new TransactionWriter(Genesis.Chain, Genesis.Shard, Keys.Participant, signer, TimeProvider.System).Write(call, salt, cancellationToken);
        var begun = TimeProvider.System.GetTimestamp();
        using var pause = new PeriodicTimer(Glance);
        do
        {
            if (await IsCommitted(transaction, cancellationToken)) return;
        }
        while (TimeProvider.System.GetElapsedTime(begun) < Patience && await pause.WaitForNextTickAsync(cancellationToken));
        throw new OperationalException("OT-7049", $"{call.Contract}.{call.Method} is with the validator, but not final after {Patience.TotalSeconds} s: too few validators may be up. Look with 'otrain validator vote' before you send it again.");
    }

    public void Dispose() => _http.Dispose();

    private async Task<bool> IsCommitted(Transaction transaction, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_root, "transactions")) { Content = new ByteArrayContent(transaction.Encoded.ToArray()) };
        using var response = await Send(request, cancellationToken);
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        if (response.StatusCode is not (HttpStatusCode.OK or HttpStatusCode.UnprocessableEntity)) throw Strange($"answered {(int)response.StatusCode}: {text.Trim()}");
        try
        {
            using var answer = JsonDocument.Parse(text);
            switch (answer.RootElement.GetProperty("status").GetString())
            {
                case "COMMITTED": return true;
                case "PENDING": return false;
                case "REJECTED" when answer.RootElement.GetProperty("rejection").GetString() is ['O', 'T', '-', .. var digits] number && int.TryParse(digits, out var value):
                    throw new OperationalException(number, $"The ledger refused {transaction.Payload.Contract}.{transaction.Payload.Method}: {(Rejection)value}. docs/spec/errors.md says what that means.");
                default: throw Strange("answered with something that no validator says");
            }
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw Strange("answered with something that no validator says", exception);
        }
    }

    private async Task<HttpResponseMessage> Send(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await _http.SendAsync(request, cancellationToken);
        }
        catch (Exception exception) when (exception is HttpRequestException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw Strange($"did not answer: {exception.Message}", exception);
        }
    }

    private OperationalException Strange(string what, Exception? inner = null) => new("OT-7043", $"The validator at {_root} {what}.", inner);
}
