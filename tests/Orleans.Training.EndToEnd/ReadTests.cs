using System.Text.Json;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.EndToEnd;

/// <summary>What a tenant reads, against what is on the ledger.</summary>
[Collection(Heart.Name)]
public sealed class ReadTests(HeartFixture heart)
{
    [Fact]
    public async Task SubmittedTransaction_ComesBackWithAReceipt_ThatVerifiesOffline()
    {
        var transaction = await heart.Federation.Sign("va", TestFederation.Dataset("receipt"));
        var payload = (await heart.Client.Submit(heart.Federation, transaction, "mine")).GetProperty("submitTransaction");
        Assert.Equal("mine", payload.GetProperty("clientMutationId").GetString());
        Assert.Equal("PENDING", payload.GetProperty("transaction").GetProperty("status").GetString());
        var id = payload.GetProperty("transaction").GetProperty("id").GetString();

        var found = (await heart.Client.Until(GraphClient.StatusDocument, new { id }, data => data.GetProperty("transaction").GetProperty("receipt").ValueKind is not JsonValueKind.Null)).GetProperty("transaction");
        Assert.Equal("COMMITTED", found.GetProperty("status").GetString());
        Assert.True(Receipt.TryParse(found.GetProperty("receipt").GetProperty("text").GetString()!, out var receipt));
        Assert.Equal(ReceiptCheck.Good, receipt!.Verify(heart.Federation.Policy));
        Assert.True(Leaf.TryParse(receipt.Leaf, out var leaf));
        Assert.Equal(transaction.Digest, Assert.IsType<Entry>(leaf).TransactionDigest);
        var proof = found.GetProperty("receipt").GetProperty("proof");
        Assert.Equal(receipt.Index.ToString(), proof.GetProperty("leafIndex").GetString());
        Assert.Equal(receipt.Path.Select(hash => Convert.ToBase64String(hash.ToArray())), proof.GetProperty("hashes").EnumerateArray().Select(hash => hash.GetString()));
        Assert.Equal("dataset.Register", found.GetProperty("receipt").GetProperty("entry").GetProperty("type").GetString());

        var again = (await heart.Client.Submit(heart.Federation, transaction)).GetProperty("submitTransaction");
        Assert.Equal(("COMMITTED", id), (again.GetProperty("transaction").GetProperty("status").GetString(), again.GetProperty("transaction").GetProperty("id").GetString()));
    }

    [Fact]
    public async Task RefusedTransactions_SayWhy()
    {
        var malformed = (await heart.Client.Query(GraphClient.SubmitDocument, new { input = new { federationId = heart.Federation.Id, transaction = "AAAA" } })).GetProperty("submitTransaction");
        Assert.Equal(JsonValueKind.Null, malformed.GetProperty("transaction").ValueKind);
        Assert.Equal("INVALID_INPUT", malformed.GetProperty("errors")[0].GetProperty("code").GetString());

        using var other = new TestFederation("other");
        var foreign = (await heart.Client.Submit(heart.Federation, await other.Sign("va", TestFederation.Dataset("foreign")))).GetProperty("submitTransaction");
        Assert.Equal(("REJECTED", "OT-2003"), (foreign.GetProperty("transaction").GetProperty("status").GetString(), foreign.GetProperty("transaction").GetProperty("rejection").GetString()));

        var refused = await heart.Client.Commit(heart.Federation, "va", TestFederation.Dataset("heart", 7));
        Assert.Equal(("REJECTED", "OT-2104"), (refused.GetProperty("status").GetString(), refused.GetProperty("rejection").GetString()));
    }

    [Fact]
    public async Task Federation_ShowsWhatItsLedgerHolds()
    {
        const string Document = """
            query($id: ID!) { federation(id: $id) { id name shard
              ledger { chain genesis tlogPolicy size cursor head { note size rootHash origin } entry(index: "1") { text entry { index type actor { name } encoded transaction leafHash } } }
              participants { totalCount nodes { id name displayName roles } }
              datasets(first: 100) { nodes { id name owner { name } records commitment schema } }
              agreements { nodes { id digest name modelSpec strategy rounds minParticipants inputWindowSeconds aggregateWindowSeconds encoded participants { name } acceptedBy { name } policy { minParticipants maxRounds notAfter requireMasks } run { id } } } } }
            """;
        var federation = (await heart.Client.Query(Document, new { id = heart.Federation.Id })).GetProperty("federation");
        Assert.Equal(("ledger.example/fed-heart", heart.Federation.Shard.ToString()), (federation.GetProperty("name").GetString(), federation.GetProperty("shard").GetString()));
        var ledger = federation.GetProperty("ledger");
        Assert.Equal(heart.Federation.Genesis.Encode(), ledger.GetProperty("genesis").GetBytesFromBase64());
        Assert.Equal(heart.Federation.Genesis.Chain.ToString(), ledger.GetProperty("chain").GetString());
        Assert.True(TrustPolicy.TryParse(ledger.GetProperty("tlogPolicy").GetString()!, out var policy, out _));
        Assert.True(SignedNote.TryParse(ledger.GetProperty("head").GetProperty("note").GetString()!, out var note));
        Assert.Equal(ReceiptCheck.Good, policy!.Accepts(note!));
        Assert.Equal("block", ledger.GetProperty("entry").GetProperty("entry").GetProperty("type").GetString());
        Assert.Equal(4, federation.GetProperty("participants").GetProperty("nodes").GetArrayLength());
        Assert.Equal("4", federation.GetProperty("participants").GetProperty("totalCount").GetString());
        Assert.Equal(["TRAINER", "VALIDATOR", "DATA_OWNER"], federation.GetProperty("participants").GetProperty("nodes")[0].GetProperty("roles").EnumerateArray().Select(role => role.GetString()));
        var agreement = federation.GetProperty("agreements").GetProperty("nodes")[0];
        Assert.Equal(heart.Plan.Encode(), agreement.GetProperty("encoded").GetBytesFromBase64());
        Assert.Equal(heart.Plan.ComputeDigest().ToString(), agreement.GetProperty("digest").GetString());
        Assert.Equal(600, agreement.GetProperty("inputWindowSeconds").GetDouble());
        Assert.Equal(TestFederation.Hospitals, agreement.GetProperty("acceptedBy").EnumerateArray().Select(participant => participant.GetProperty("name").GetString()!));
        Assert.Equal(heart.RunId, agreement.GetProperty("run").GetProperty("id").GetString());
    }

    [Fact]
    public async Task Run_ShowsItsRoundsAndModels_AndTheModelCanBeFetched()
    {
        const string Document = """
            query($id: ID!) { run(id: $id) { id state currentRound totalRounds failure agreement { digest }
              rounds { nodes { id number attempt phase deadline failure modelDigest contributions { state updateDigest participant { name } } } }
              model { id digest version attestations parent { version parent { version } } download { url root } } models { nodes { version } } } }
            """;
        var run = (await heart.Client.Query(Document, new { id = heart.RunId })).GetProperty("run");
        Assert.Equal(("SUCCEEDED", 2, 2), (run.GetProperty("state").GetString(), run.GetProperty("currentRound").GetInt32(), run.GetProperty("totalRounds").GetInt32()));
        var rounds = run.GetProperty("rounds").GetProperty("nodes").EnumerateArray().ToList();
        Assert.Equal([1, 2], rounds.Select(round => round.GetProperty("number").GetInt32()));
        Assert.All(rounds, round => Assert.Equal("PUBLISHED", round.GetProperty("phase").GetString()));
        Assert.All(rounds, round => Assert.All(round.GetProperty("contributions").EnumerateArray(), contribution => Assert.Equal("ACCEPTED", contribution.GetProperty("state").GetString())));
        var model = run.GetProperty("model");
        Assert.Equal((2, 1), (model.GetProperty("version").GetInt32(), model.GetProperty("parent").GetProperty("version").GetInt32()));
        Assert.Equal(JsonValueKind.Null, model.GetProperty("parent").GetProperty("parent").ValueKind);
        Assert.Equal(rounds[1].GetProperty("modelDigest").GetString(), model.GetProperty("digest").GetString());

        var content = await heart.Client.Http.GetByteArrayAsync(new Uri(model.GetProperty("download").GetProperty("url").GetString()!, UriKind.Relative));
        Assert.Equal(model.GetProperty("digest").GetString(), Digest.Of(content).ToString());
        Assert.Equal(model.GetProperty("download").GetProperty("root").GetString(), Protocol.Aggregation.ChunkedBlob.Root(content).ToString());
    }

    [Fact]
    public async Task Connections_GivePagesWithoutGaps()
    {
        const string Document = "query($id: ID!, $after: String) { federation(id: $id) { ledger { entries(first: 7, after: $after) { totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } nodes { index } edges { cursor node { id } } } } participants(first: 3, after: null) { pageInfo { hasNextPage endCursor } } } }";
        var (after, next) = ((string?)null, 0L);
        for (var more = true; more;)
        {
            var data = (await heart.Client.Query(Document, new { id = heart.Federation.Id, after })).GetProperty("federation");
            Assert.True(data.GetProperty("participants").GetProperty("pageInfo").GetProperty("hasNextPage").GetBoolean());
            var page = data.GetProperty("ledger").GetProperty("entries");
            foreach (var node in page.GetProperty("nodes").EnumerateArray()) Assert.Equal((next++).ToString(), node.GetProperty("index").GetString());
            (after, more) = (page.GetProperty("pageInfo").GetProperty("endCursor").GetString(), page.GetProperty("pageInfo").GetProperty("hasNextPage").GetBoolean());
        }

        Assert.True(next > 30);
    }

    [Fact]
    public async Task EveryNode_IsFoundByItsId()
    {
        const string Document = """
            query($id: ID!) { federation(id: $id) { id participants { nodes { id } } datasets { nodes { id } } agreements { nodes { id } } ledger { entries(first: 3) { nodes { id } } }
              runs { nodes { id rounds { nodes { id } } models { nodes { id } } } } } }
            """;
        var found = await heart.Client.Query(Document, new { id = heart.Federation.Id });
        var ids = Values(found, "id").ToList();
        Assert.Equal(["agr", "dat", "ent", "fed", "mdl", "org", "rnd", "run"], ids.Select(id => id[..3]).Distinct().Order(StringComparer.Ordinal));
        foreach (var id in ids) Assert.Equal(id, (await heart.Client.Query("query($id: ID!) { node(id: $id) { __typename id } }", new { id })).GetProperty("node").GetProperty("id").GetString());
        foreach (var wrong in new[] { "", "fed", "fed_", "fed_AAAA", ids[0] + "A", "run_" + ids[0][4..], "xyz_" + ids[0][4..] })
            Assert.Equal(JsonValueKind.Null, (await heart.Client.Query("query($id: ID!) { node(id: $id) { id } }", new { id = wrong })).GetProperty("node").ValueKind);
    }

    internal static IEnumerable<string> Values(JsonElement json, string name) => json.ValueKind switch
    {
        JsonValueKind.Object => json.EnumerateObject().SelectMany(property => property.Name == name && property.Value.ValueKind is JsonValueKind.String ? [property.Value.GetString()!] : Values(property.Value, name)),
        JsonValueKind.Array => json.EnumerateArray().SelectMany(item => Values(item, name)),
        _ => [],
    };
}
