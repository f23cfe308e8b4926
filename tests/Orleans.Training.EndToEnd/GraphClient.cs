using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.EndToEnd;

/// <summary>What a tenant has: a URL and an API key.</summary>
internal sealed class GraphClient : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(100);
    private readonly HttpClient _http;

    public GraphClient(Uri url, string? key)
    {
        _http = new HttpClient { BaseAddress = url };
        if (key is not null) _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
    }

    public HttpClient Http => _http;

    /// <summary>The data of an operation that must have no errors.</summary>
    public async Task<JsonElement> Query(string document, object? variables = null)
    {
        var answer = await Ask(document, variables);
        Assert.False(answer.TryGetProperty("errors", out var errors), errors.ToString());
        return answer.GetProperty("data");
    }

    /// <summary>The whole answer.</summary>
    public async Task<JsonElement> Ask(string document, object? variables = null)
    {
        using var response = await _http.PostAsJsonAsync(new Uri("/graphql", UriKind.Relative), new { query = document, variables });
        return await response.Content.ReadFromJsonAsync<JsonElement>();
    }

    /// <summary>Asks until the condition holds.</summary>
    public async Task<JsonElement> Until(string document, object? variables, Func<JsonElement, bool> condition)
    {
        using var limit = new CancellationTokenSource(Patience);
        using var glance = new PeriodicTimer(Glance);
        while (true)
        {
            var data = await Query(document, variables);
            if (condition(data)) return data;
            Assert.True(!limit.IsCancellationRequested && await glance.WaitForNextTickAsync(CancellationToken.None), $"After {Patience}: {data}");
        }
    }

    public const string SubmitDocument = "mutation($input: SubmitTransactionInput!) { submitTransaction(input: $input) { transaction { id status rejection } errors { code message path } clientMutationId } }";
    public const string StatusDocument = "query($id: ID!) { transaction(id: $id) { id status rejection receipt { text entry { index type at } checkpoint { size } proof { leafIndex treeSize hashes } } } }";

    /// <summary>Submits as a tenant would, and waits until the transaction is on the ledger.</summary>
    public async Task<JsonElement> Commit(TestFederation federation, string actor, ContractCall call, string salt = "")
    {
        var transaction = await federation.Sign(actor, call, salt);
        var payload = (await Submit(federation, transaction)).GetProperty("submitTransaction");
        Assert.Equal("[]", payload.GetProperty("errors").ToString());
        var id = payload.GetProperty("transaction").GetProperty("id").GetString();
        return (await Until(StatusDocument, new { id }, data => data.GetProperty("transaction").GetProperty("status").GetString() is "COMMITTED" or "REJECTED")).GetProperty("transaction");
    }

    public Task<JsonElement> Submit(TestFederation federation, Transaction transaction, string? clientMutationId = null) =>
        Query(SubmitDocument, new { input = new { federationId = federation.Id, transaction = Convert.ToBase64String(transaction.Encoded.Span), clientMutationId } });

    public void Dispose() => _http.Dispose();
}
