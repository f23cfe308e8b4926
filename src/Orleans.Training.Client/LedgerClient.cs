using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Client;

/// <summary>A fact of the ledger as a gateway told it: its cursor, name, place, state key and encoded record (docs/spec/contracts.md).</summary>
public sealed record LedgerEvent(string Cursor, string Type, long Index, string Key, ReadOnlyMemory<byte> Record);

/// <summary>
/// One federation through its gateways (docs/spec/api.md): submit what was signed elsewhere, follow events, read receipts and models. Any gateway will do; when one does
/// not answer, the next is asked. Nothing is believed that a caller can check: receipts and models come with their proofs.
/// </summary>
public sealed class LedgerClient : IDisposable
{
    private const int MaximumModelBytes = 1 << 30;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(40);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private const int OutageAttempts = 50;
    private readonly Uri[] _gateways;
    private readonly string _apiKey;
    private readonly string _federation;
    private readonly HttpClient _http;
    private int _current;

    /// <summary>A federation by its id, behind one or more gateways that take the key.</summary>
    public LedgerClient(IReadOnlyList<Uri> gateways, string apiKey, string federation)
        : this(gateways, apiKey, federation, new HttpClientHandler())
    {
    }

    internal LedgerClient(IReadOnlyList<Uri> gateways, string apiKey, string federation, HttpMessageHandler handler)
    {
        _http = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(30) };
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
        try
        {
            return await SubmitUntilKnown(transaction, patience.Token);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new GatewayException($"{GatewayAnswer.Unavailable} the transaction is neither on the ledger nor refused after {Patience.TotalSeconds} s; the same bytes may be submitted again.", exception);
        }
    }

    /// <summary>The newest checkpoint that a quorum cosigned; null before the first. Check it against a trust policy.</summary>
    public async Task<SignedNote?> Checkpoint(CancellationToken cancellationToken)
    {
        return await Ask("query($id: ID!) { federation(id: $id) { ledger { head { note } } } }", new { id = _federation }, Note, cancellationToken);

        static SignedNote? Note(JsonElement data) =>
            data.GetProperty("federation").GetProperty("ledger").GetProperty("head") is { ValueKind: not JsonValueKind.Null } head
                ? SignedNote.TryParse(head.Text("note"), out var note) ? note : throw new FormatException("The head is no signed note.")
                : null;
    }

    /// <summary>The receipt of the leaf at an index; null until a checkpoint covers it. Check it with <see cref="Receipt.Verify"/>.</summary>
    public async Task<Receipt?> Receipt(long index, CancellationToken cancellationToken)
    {
        var at = index.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return await Ask("query($id: ID!, $index: Int64!) { federation(id: $id) { ledger { entry(index: $index) { text } } } }", new { id = _federation, index = at }, Entry, cancellationToken);

        static Receipt? Entry(JsonElement data) =>
            data.GetProperty("federation").GetProperty("ledger").GetProperty("entry") is { ValueKind: not JsonValueKind.Null } entry
                ? Protocol.Ledger.Receipt.TryParse(entry.Text("text"), out var receipt) ? receipt : throw new FormatException("The entry is no receipt.")
                : null;
    }

    /// <summary>The bytes of a published model by its root, checked against it.</summary>
    /// <exception cref="GatewayException">The gateway does not have it, or gave something else.</exception>
    public async Task<byte[]> Model(Digest root, CancellationToken cancellationToken)
    {
        var url = await ModelUrl(root, cancellationToken) ?? throw new GatewayException($"OT-6004 the federation has published no model {root}.");
        var content = await OnAnyGateway(
            async gateway =>
            {
                using var response = await _http.GetAsync(new Uri(gateway, url), HttpCompletionOption.ResponseHeadersRead, cancellationToken);
                if (!response.IsSuccessStatusCode) throw new GatewayException($"OT-6022 the gateway does not give the model {root}: {(int)response.StatusCode}.");
                return await GatewayAnswer.Body(response.Content, MaximumModelBytes, cancellationToken);
            },
            cancellationToken);
        return Protocol.Aggregation.ChunkedBlob.Root(content) == root ? content : throw new GatewayException($"OT-6022 what the gateway gave is not the model {root}.");
    }

    // The newest model of every run first, then all of them, page by page.
    private async Task<string?> ModelUrl(Digest root, CancellationToken cancellationToken)
    {
        const string runs = "query($id: ID!) { federation(id: $id) { runs(first: 100) { nodes { id model { download { url root } } } } } }";
        const string models = "query($id: ID!, $after: String) { run(id: $id) { models(first: 100, after: $after) { nodes { download { url root } } pageInfo { hasNextPage endCursor } } } }";
        var (newest, ids) = await Ask(runs, new { id = _federation }, Runs, cancellationToken);
        if (newest is not null) return newest;
        foreach (var id in ids)
        {
            for (string? after = null; ;)
            {
                var (url, next) = await Ask(models, new { id, after }, Page, cancellationToken);
                if (url is not null) return url;
                if (next is null) break;
                after = next;
            }
        }

        return null;

        (string? Url, string[] Ids) Runs(JsonElement data)
        {
            var nodes = data.GetProperty("federation").GetProperty("runs").GetProperty("nodes");
            var urls = nodes.EnumerateArray().Select(run => run.GetProperty("model")).Where(model => model.ValueKind is not JsonValueKind.Null).Select(UrlOf);
            return (urls.FirstOrDefault(url => url is not null), [.. nodes.EnumerateArray().Select(run => run.Text("id"))]);
        }

        (string? Url, string? Next) Page(JsonElement data)
        {
            var page = data.GetProperty("run").GetProperty("models");
            var info = page.GetProperty("pageInfo");
            return (page.GetProperty("nodes").EnumerateArray().Select(UrlOf).FirstOrDefault(url => url is not null), info.GetProperty("hasNextPage").GetBoolean() ? info.Text("endCursor") : null);
        }

        // A path of the gateway that was asked: an address elsewhere would be given the key.
        string? UrlOf(JsonElement model)
        {
            var download = model.GetProperty("download");
            if (download.Text("root") != root.ToString()) return null;
            return download.Text("url") is ['/', not '/', ..] url && Uri.TryCreate(url, UriKind.Relative, out _) ? url : throw new FormatException("A model's url is no path.");
        }
    }

    private async Task<Rejection> SubmitUntilKnown(Transaction transaction, CancellationToken cancellationToken)
    {
        const string submit = "mutation($input: SubmitTransactionInput!) { submitTransaction(input: $input) { transaction { id status rejection } errors { message ... on SubmissionError { number } } } }";
        const string find = "query($id: ID!) { transaction(id: $id) { id status rejection } }";
        var input = new { federationId = _federation, transaction = Convert.ToBase64String(transaction.Encoded.Span) };
        for (Submitted? state = null; ;)
        {
            if (state is null or { Status: "UNKNOWN" })
            {
                var (problem, taken) = await Ask(submit, new { input }, data => Submission(data.GetProperty("submitTransaction")), cancellationToken);
                if (problem == GatewayAnswer.Unavailable)
                {
                    // A silo starts or has died: the same bytes again, which can do no harm.
                    await Task.Delay(10 * Poll, cancellationToken);
                    continue;
                }

                if (problem is not null) return RejectionOf(problem);
                state = taken!;
            }

            if (state.Status is "COMMITTED") return Rejection.None;
            if (state.Status is "REJECTED") return RejectionOf(state.Rejection);
            var id = state.Id;
            await Task.Delay(Poll, cancellationToken);
            state = await Ask(find, new { id }, data => Submitted.Of(data.GetProperty("transaction")), cancellationToken);
            // Between the pool and the ledger a gateway that did not take it in knows nothing of it: look on before it is sent again.
            for (var looks = 0; looks < 50 && state.Status is "UNKNOWN"; looks++)
            {
                await Task.Delay(Poll, cancellationToken);
                state = await Ask(find, new { id }, data => Submitted.Of(data.GetProperty("transaction")), cancellationToken);
            }
        }

        // The numbers of all problems: an outage among them passes.
        static (string? Problem, Submitted? Taken) Submission(JsonElement payload)
        {
            var numbers = payload.GetProperty("errors").EnumerateArray().Select(error => error.Text("number")).ToArray();
            return numbers.Length == 0 ? (null, Submitted.Of(payload.GetProperty("transaction"))) : (Array.Find(numbers, number => number == GatewayAnswer.Unavailable) ?? numbers[0], null);
        }
    }

    private sealed record Submitted(string Id, string Status, string? Rejection)
    {
        public static Submitted Of(JsonElement transaction) => new(transaction.Text("id"), transaction.Text("status"), transaction.GetProperty("rejection").GetString());
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
        catch (Exception exception) when (exception is System.Net.WebSockets.WebSocketException or HttpRequestException or IOException && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    // An outage behind a gateway passes, or another gateway is better off: asked again for a while.
    private async Task<T> Ask<T>(string query, object variables, Func<JsonElement, T> read, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var answer = await OnAnyGateway(gateway => Post(gateway, new { query, variables }, cancellationToken), cancellationToken);
            var (value, problem) = GatewayAnswer.Read<(T?, string?)>(answer, root => root.TryGetProperty("errors", out var errors) ? (default, GatewayAnswer.Describe(errors)) : (read(root.GetProperty("data")), null));
            if (problem is null) return value!;
            if (attempt == OutageAttempts || !problem.StartsWith(GatewayAnswer.Unavailable, StringComparison.Ordinal)) throw new GatewayException(problem);
            _current++;
            await Task.Delay(10 * Poll, cancellationToken);
        }
    }

    private async Task<byte[]> Post(Uri gateway, object body, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_http.Timeout);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway, "graphql")) { Content = JsonContent.Create(body) };
        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
        if (response.Content.Headers.ContentType?.MediaType?.EndsWith("json", StringComparison.Ordinal) is not true) throw new GatewayException($"OT-6022 the gateway answered {(int)response.StatusCode} without JSON.");
        return await GatewayAnswer.Body(response.Content, GatewayAnswer.MaximumBytes, limit.Token);
    }

    private async Task<T> OnAnyGateway<T>(Func<Uri, Task<T>> send, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await send(_gateways[_current % _gateways.Length]);
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                if (attempt > 2 * _gateways.Length) throw new GatewayException($"OT-6023 no gateway answers ({string.Join(", ", _gateways.Select(gateway => gateway.Authority))}): {exception.Message}", exception);
                _current++;
            }
        }
    }

    private static Rejection RejectionOf(string? number) => number is ['O', 'T', '-', '2', ..] && int.TryParse(number.AsSpan(3), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var value) && Enum.IsDefined((Rejection)value)
        ? (Rejection)value
        : throw new GatewayException(number is ['O', 'T', '-', '6', ..] ? $"{number} the gateway did not take the transaction." : $"OT-6022 '{number}' is no number of a rejection.");
}
