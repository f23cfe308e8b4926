using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Orleans.Training.EndToEnd;

/// <summary>Every limit of the API at n and n + 1, and whatever else a client can get wrong: refused with 4xx, never with 5xx.</summary>
[Collection(Heart.Name)]
public sealed class LimitTests(HeartFixture heart)
{
    [Fact]
    public async Task Depth_IsTwelve()
    {
        await Good(Deep(12));
        await Refused("OT-6007", Deep(13));
        await Refused("OT-6007", $"query {{ run(id: \"{heart.RunId}\") {{ ...A }} }} fragment A on Run {{ agreement {{ run {{ agreement {{ run {{ agreement {{ run {{ ...B }} }} }} }} }} }} }} fragment B on Run {{ agreement {{ run {{ agreement {{ run {{ agreement {{ run {{ id }} }} }} }} }} }} }}");
    }

    [Fact]
    public async Task Aliases_AreFifteen()
    {
        await Good($"{{ {string.Join(' ', Enumerable.Range(0, 15).Select(i => $"a{i}: __typename"))} }}");
        await Refused("OT-6007", $"{{ {string.Join(' ', Enumerable.Range(0, 16).Select(i => $"a{i}: __typename"))} }}");
    }

    [Fact]
    public async Task Directives_AreFifty()
    {
        await Good($"{{ {string.Concat(Enumerable.Repeat("__typename @skip(if: false) ", 50))} }}");
        await Refused("OT-6007", $"{{ {string.Concat(Enumerable.Repeat("__typename @skip(if: false) ", 51))} }}");
    }

    [Fact]
    public async Task Document_HasSixtyFourKilobytes()
    {
        await Good("{ __typename }".PadRight(64 * 1024));
        await Refused("OT-6007", "{ __typename }".PadRight(64 * 1024 + 1));
    }

    [Fact]
    public async Task Complexity_IsFiveThousand()
    {
        // 1 + 1 + 100 · (1 + 1 + 47) = 4,902, and two fields for each of a hundred items more.
        await Good(Wide(47));
        await Refused("OT-6007", Wide(49));
        await Refused("OT-6007", $"query($n: Int!) {{ federation(id: \"{heart.Federation.Id}\") {{ runs(first: $n) {{ nodes {{ rounds(first: $n) {{ nodes {{ id }} }} }} }} }} }}", new { n = 100 });
        await Refused("OT-6007", $"query($n: Int = 100) {{ federation(id: \"{heart.Federation.Id}\") {{ runs(first: $n) {{ nodes {{ rounds(first: $n) {{ nodes {{ id }} }} }} }} }} }}");
        // Two to the power of fifty fields in little text: it is measured, not expanded.
        var fragments = string.Concat(Enumerable.Range(0, 50).Select(i => $" fragment F{i} on Run {{ ...F{i + 1} ...F{i + 1} }}"));
        await Refused("OT-6007", $"{{ run(id: \"{heart.RunId}\") {{ ...F0 }} }}{fragments} fragment F50 on Run {{ id }}");
    }

    [Fact]
    public async Task Introspection_GoesThroughThreeLists()
    {
        await Good("{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }");
        await Refused("OT-6007", "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }");
    }

    [Fact]
    public async Task Page_HasAHundredItems()
    {
        await Good($"{{ federation(id: \"{heart.Federation.Id}\") {{ participants(first: 100) {{ nodes {{ id }} }} }} }}");
        foreach (var first in new[] { 101, 0, -1 })
        {
            var answer = await heart.Client.Ask($"{{ federation(id: \"{heart.Federation.Id}\") {{ participants(first: {first}) {{ nodes {{ id }} }} }} }}");
            Assert.Equal("OT-6011", answer.GetProperty("errors")[0].GetProperty("extensions").GetProperty("code").GetString());
        }
    }

    [Fact]
    public async Task Body_HasAQuarterOfAMegabyte()
    {
        Assert.Equal(HttpStatusCode.OK, (await Post("{\"query\":\"{ __typename }\"}".PadRight(256 * 1024))).Status);
        Assert.Equal((HttpStatusCode.RequestEntityTooLarge, "OT-6015"), await Post("{\"query\":\"{ __typename }\"}".PadRight(256 * 1024 + 1)));
    }

    [Theory]
    [InlineData("[{\"query\":\"{ __typename }\"}]", "OT-6008")]
    [InlineData("[]", "OT-6008")]
    [InlineData("", "OT-6005")]
    [InlineData("{", "OT-6005")]
    [InlineData("7", "OT-6005")]
    [InlineData("{}", "OT-6005")]
    [InlineData("{\"query\":7}", "OT-6005")]
    [InlineData("{\"query\":null}", "OT-6005")]
    [InlineData("{\"query\":\"{ __typename }\",\"variables\":[]}", "OT-6005")]
    [InlineData("{\"query\":\"{ __typename }\",\"operationName\":1}", "OT-6005")]
    [InlineData("{\"query\":\"{ __typename }\",\"extensions\":\"x\"}", "OT-6005")]
    [InlineData("{\"query\":\"\"}", "OT-6006")]
    [InlineData("{\"query\":\"{\"}", "OT-6006")]
    [InlineData("{\"query\":\"{ unknown }\"}", "OT-6006")]
    [InlineData("{\"query\":\"{ ...A } fragment A on Query { ...A }\"}", "OT-6006")]
    [InlineData("{\"query\":\"query A { __typename } query B { __typename }\"}", "OT-6006")]
    [InlineData("{\"query\":\"query A { __typename }\",\"operationName\":\"B\"}", "OT-6006")]
    [InlineData("{\"query\":\"query($id: ID!) { run(id: $id) { id } }\"}", "OT-6006")]
    [InlineData("{\"query\":\"query($id: ID!) { run(id: $id) { id } }\",\"variables\":{\"id\":{\"a\":1}}}", "OT-6006")]
    [InlineData("{\"query\":\"mutation($i: SubmitTransactionInput!) { submitTransaction(input: $i) { clientMutationId } }\",\"variables\":{\"i\":{\"federationId\":\"x\",\"transaction\":\"***\"}}}", "OT-6006")]
    [InlineData("{\"query\":\"mutation($i: SubmitTransactionInput!) { submitTransaction(input: $i) { clientMutationId } }\",\"variables\":{\"i\":{\"federationId\":\"x\"}}}", "OT-6006")]
    [InlineData("{\"query\":\"{ federation(id: 1.5) { id } }\"}", "OT-6006")]
    [InlineData("{\"query\":\"subscription { events(federationId: \\\"x\\\") { id } }\"}", "OT-6014")]
    public async Task BadRequests_AreTheClientsFault(string body, string code) => Assert.Equal((HttpStatusCode.BadRequest, code), await Post(body));

    [Fact]
    public async Task OtherMethodsAndTypes_AreRefused()
    {
        Assert.Equal((HttpStatusCode.UnsupportedMediaType, "OT-6010"), await Post("{\"query\":\"{ __typename }\"}", "text/plain"));
        Assert.Equal((HttpStatusCode.UnsupportedMediaType, "OT-6010"), await Post("{\"query\":\"{ __typename }\"}", "application/json; charset=utf-16"));
        using var put = await heart.Client.Http.PutAsync(new Uri("/graphql", UriKind.Relative), new StringContent("{}", Encoding.UTF8, "application/json"));
        Assert.Equal((HttpStatusCode.MethodNotAllowed, "GET, POST"), (put.StatusCode, string.Join(", ", put.Content.Headers.Allow)));
        using var query = await heart.Client.Http.GetAsync(new Uri("/graphql?query=%7B__typename%7D", UriKind.Relative));
        Assert.Equal(HttpStatusCode.OK, query.StatusCode);
        using var mutation = await heart.Client.Http.GetAsync(new Uri("/graphql?query=mutation%7B__typename%7D", UriKind.Relative));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, mutation.StatusCode);
        using var image = new HttpRequestMessage(HttpMethod.Get, new Uri("/graphql?query=%7B__typename%7D", UriKind.Relative)) { Headers = { Accept = { new MediaTypeWithQualityHeaderValue("image/png") } } };
        using var refused = await heart.Client.Http.SendAsync(image);
        Assert.Equal(HttpStatusCode.NotAcceptable, refused.StatusCode);
    }

    [Fact]
    public async Task Mistakes_AreNotAnsweredWithSuggestions()
    {
        foreach (var wrong in new[] { "{ nod(id: \"x\") { id } }", "{ node(idd: \"x\") { id } }", "{ node(id: \"x\") { ... on Rum { id } } }" })
            Assert.DoesNotContain("Did you mean", (await heart.Client.Ask(wrong)).ToString(), StringComparison.OrdinalIgnoreCase);
    }

    private string Deep(int depth) => $"{{ run(id: \"{heart.RunId}\") {{ {string.Concat(Enumerable.Range(0, depth - 2).Select(i => i % 2 == 0 ? "agreement { " : "run { "))} id {string.Concat(Enumerable.Repeat("}", depth - 2))} }} }}";

    private string Wide(int fields) => $"{{ federation(id: \"{heart.Federation.Id}\") {{ participants(first: 100) {{ nodes {{ id {string.Concat(Enumerable.Repeat("name ", fields))} }} }} }} }}";

    private async Task Good(string document)
    {
        var answer = await heart.Client.Ask(document);
        Assert.False(answer.TryGetProperty("errors", out var errors), $"{errors}");
    }

    private async Task Refused(string code, string document, object? variables = null) =>
        Assert.Equal((HttpStatusCode.BadRequest, code), await Post(JsonSerializer.Serialize(new { query = document, variables })));

    private async Task<(HttpStatusCode Status, string? Code)> Post(string body, string type = "application/json")
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/graphql", UriKind.Relative)) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) };
        request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/graphql-response+json"));
        using var response = await heart.Client.Http.SendAsync(request);
        var answer = JsonSerializer.Deserialize<JsonElement>(await response.Content.ReadAsStringAsync());
        return (response.StatusCode, answer.TryGetProperty("errors", out var errors) ? errors[0].GetProperty("extensions").GetProperty("code").GetString() : null);
    }
}
