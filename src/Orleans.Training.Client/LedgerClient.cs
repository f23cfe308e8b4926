using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Client;

/// <summary>A fact of the ledger as a gateway told it: its cursor, name, place, state key and encoded record (docs/spec/contracts.md).</summary>
public sealed record LedgerEvent(string Cursor, string Type, long Index, string Key, ReadOnlyMemory<byte> Record);

/// <summary>What a gateway answered, when it was no answer: the message begins with the gateway's number.</summary>
public sealed class GatewayException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// One federation through its gateways (docs/spec/api.md): submit what was signed elsewhere, follow events, read receipts and models. Any gateway will do; when one does
/// not answer, the next is asked. Nothing is believed that a caller can check: receipts and models come with their proofs.
/// </summary>
public sealed class LedgerClient : IDisposable
{
    private const int MaximumModelBytes = 1 << 30;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(40);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private const string Unavailable = "OT-6012";
    private const int OutageAttempts = 50;
    private readonly Uri[] _gateways;
    private readonly string _apiKey;
    private readonly string _federation;
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(30) };
    private int _current;

    /// <summary>A federation by its id, behind one or more gateways that take the key.</summary>
    public LedgerClient(IReadOnlyList<Uri> gateways, string apiKey, string federation)
    {
        if (gateways.Count == 0) throw new ArgumentException("Name at least one gateway.", nameof(gateways));
        (_gateways, _apiKey, _federation) = ([.. gateways], apiKey, federation);
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", apiKey);
    }

    /// <summary>Submits, and waits until the transaction is on the ledger or refused. Idempotent: the same bytes may be submitted again.</summary>
    /// <returns>Why it was refused, or <see cref="Rejection.None"/>.</returns>
    public async Task<Rejection> SubmitAndWait(Transaction transaction, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        const string submit = "mutation($input: SubmitTransactionInput!) { submitTransaction(input: $input) { transaction { id status rejection } errors { message ... on SubmissionError { number } } } }";
        const string find = "query($id: ID!) { transaction(id: $id) { id status rejection } }";
        var input = new { federationId = _federation, transaction = Convert.ToBase64String(transaction.Encoded.Span) };
        for (JsonElement state = default, id = default; ;)
        {
            if (state.ValueKind is JsonValueKind.Undefined || state.GetProperty("status").GetString() is "UNKNOWN")
            {
                var payload = (await Ask(submit, new { input }, patience.Token)).GetProperty("submitTransaction");
                var numbers = payload.GetProperty("errors").EnumerateArray().Select(error => error.GetProperty("number").GetString()).ToArray();
                if (numbers.Contains(Unavailable))
                {
                    // A silo starts or has died: the same bytes again, which can do no harm.
                    await Task.Delay(10 * Poll, patience.Token);
                    continue;
                }

                if (numbers.Length > 0) return RejectionOf(numbers[0]);
                state = payload.GetProperty("transaction");
                id = state.GetProperty("id");
            }

            switch (state.GetProperty("status").GetString())
            {
                case "COMMITTED": return Rejection.None;
                case "REJECTED": return RejectionOf(state.GetProperty("rejection").GetString());
            }

            await Task.Delay(Poll, patience.Token);
            state = (await Ask(find, new { id = id.GetString() }, patience.Token)).GetProperty("transaction");
            // Between the pool and the ledger a gateway that did not take it in knows nothing of it: look on before it is sent again.
            for (var looks = 0; looks < 50 && state.GetProperty("status").GetString() is "UNKNOWN"; looks++)
            {
                await Task.Delay(Poll, patience.Token);
                state = (await Ask(find, new { id = id.GetString() }, patience.Token)).GetProperty("transaction");
            }
        }
    }

    /// <summary>The newest checkpoint that a quorum cosigned; null before the first. Check it against a trust policy.</summary>
    public async Task<SignedNote?> Checkpoint(CancellationToken cancellationToken)
    {
        var head = (await Ask("query($id: ID!) { federation(id: $id) { ledger { head { note } } } }", new { id = _federation }, cancellationToken)).GetProperty("federation").GetProperty("ledger").GetProperty("head");
        return head.ValueKind is JsonValueKind.Object && SignedNote.TryParse(head.GetProperty("note").GetString()!, out var note) ? note : null;
    }

    /// <summary>The receipt of the leaf at an index; null until a checkpoint covers it. Check it with <see cref="Receipt.Verify"/>.</summary>
    public async Task<Receipt?> Receipt(long index, CancellationToken cancellationToken)
    {
        var ledger = (await Ask("query($id: ID!, $index: Int64!) { federation(id: $id) { ledger { entry(index: $index) { text } } } }", new { id = _federation, index = index.ToString(System.Globalization.CultureInfo.InvariantCulture) }, cancellationToken)).GetProperty("federation").GetProperty("ledger");
        return ledger.GetProperty("entry") is { ValueKind: JsonValueKind.Object } entry && Protocol.Ledger.Receipt.TryParse(entry.GetProperty("text").GetString()!, out var receipt) ? receipt : null;
    }

    /// <summary>The bytes of a published model by its root, checked against it.</summary>
    /// <exception cref="GatewayException">The gateway does not have it, or gave something else.</exception>
    public async Task<byte[]> Model(Digest root, CancellationToken cancellationToken)
    {
        var url = await ModelUrl(root, cancellationToken) ?? throw new GatewayException($"The federation has published no model {root}.");
        using var response = await OnAnyGateway(gateway => _http.GetAsync(new Uri(gateway, url), HttpCompletionOption.ResponseHeadersRead, cancellationToken), cancellationToken);
        if (!response.IsSuccessStatusCode || response.Content.Headers.ContentLength > MaximumModelBytes) throw new GatewayException($"The gateway does not give the model {root}: {(int)response.StatusCode}.");
        var content = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        return Protocol.Aggregation.ChunkedBlob.Root(content) == root ? content : throw new GatewayException($"What the gateway gave is not the model {root}.");
    }

    // The newest model of every run first, then all of them, page by page.
    private async Task<string?> ModelUrl(Digest root, CancellationToken cancellationToken)
    {
        const string runs = "query($id: ID!) { federation(id: $id) { runs(first: 100) { nodes { id model { download { url root } } } } } }";
        const string models = "query($id: ID!, $after: String) { run(id: $id) { models(first: 100, after: $after) { nodes { download { url root } } pageInfo { hasNextPage endCursor } } } }";
        var nodes = (await Ask(runs, new { id = _federation }, cancellationToken)).GetProperty("federation").GetProperty("runs").GetProperty("nodes");
        foreach (var run in nodes.EnumerateArray())
        {
            if (run.GetProperty("model") is { ValueKind: JsonValueKind.Object } newest && UrlOf(newest, root) is { } url) return url;
        }

        foreach (var run in nodes.EnumerateArray())
        {
            for (string? after = null; ;)
            {
                var page = (await Ask(models, new { id = run.GetProperty("id").GetString(), after }, cancellationToken)).GetProperty("run").GetProperty("models");
                foreach (var model in page.GetProperty("nodes").EnumerateArray())
                {
                    if (UrlOf(model, root) is { } url) return url;
                }

                if (!page.GetProperty("pageInfo").GetProperty("hasNextPage").GetBoolean()) break;
                after = page.GetProperty("pageInfo").GetProperty("endCursor").GetString();
            }
        }

        return null;

        static string? UrlOf(JsonElement model, Digest root) => model.GetProperty("download").GetProperty("root").GetString() == root.ToString() ? model.GetProperty("download").GetProperty("url").GetString() : null;
    }

    /// <summary>Every event after a cursor (null: from the beginning), then live, without gap or duplicate: a broken connection is made again, to any gateway, after the last cursor.</summary>
    public async IAsyncEnumerable<LedgerEvent> Events(string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var failures = 0; ; failures++)
        {
            await using var subscription = new EventSubscription(_gateways[_current % _gateways.Length], _apiKey, _federation, after);
            while (await Next(subscription, cancellationToken) is { } item)
            {
                failures = 0;
                after = item.Cursor;
                yield return item;
            }

            _current++;
            await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(5000, 50 << Math.Min(failures, 7))), cancellationToken);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    // Null when the connection broke: the caller makes another.
    private static async Task<LedgerEvent?> Next(EventSubscription subscription, CancellationToken cancellationToken)
    {
        try
        {
            return await subscription.Next(cancellationToken);
        }
        catch (Exception exception) when (exception is System.Net.WebSockets.WebSocketException or HttpRequestException or IOException or JsonException && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    // An outage behind a gateway passes, or another gateway is better off: asked again for a while.
    private async Task<JsonElement> Ask(string query, object variables, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            using var response = await OnAnyGateway(gateway => _http.PostAsJsonAsync(new Uri(gateway, "graphql"), new { query, variables }, cancellationToken), cancellationToken);
            if (response.Content.Headers.ContentType?.MediaType?.EndsWith("json", StringComparison.Ordinal) is not true) throw new GatewayException($"The gateway answered {(int)response.StatusCode} without an explanation.");
            using var answer = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(cancellationToken));
            if (!answer.RootElement.TryGetProperty("errors", out var errors)) return answer.RootElement.GetProperty("data").Clone();
            var problem = Describe(errors);
            if (attempt == OutageAttempts || !problem.StartsWith(Unavailable, StringComparison.Ordinal)) throw new GatewayException(problem);
            _current++;
            await Task.Delay(10 * Poll, cancellationToken);
        }
    }

    private async Task<HttpResponseMessage> OnAnyGateway(Func<Uri, Task<HttpResponseMessage>> send, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await send(_gateways[_current % _gateways.Length]);
            }
            catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException && !cancellationToken.IsCancellationRequested && attempt <= 2 * _gateways.Length)
            {
                _current++;
            }
            catch (HttpRequestException exception)
            {
                throw new GatewayException($"No gateway answers ({string.Join(", ", _gateways.Select(gateway => gateway.Authority))}): {exception.Message}", exception);
            }
        }
    }

    private static string Describe(JsonElement errors)
    {
        var first = errors[0];
        var number = first.TryGetProperty("extensions", out var extensions) && extensions.TryGetProperty("code", out var code) ? code.GetString() : null;
        return $"{number} {first.GetProperty("message").GetString()}".Trim();
    }

    private static Rejection RejectionOf(string? number) => number is not null && int.TryParse(number.AsSpan(3), System.Globalization.CultureInfo.InvariantCulture, out var value) ? (Rejection)value : Rejection.Malformed;
}
