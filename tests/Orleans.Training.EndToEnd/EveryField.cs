using System.Text.Json;

namespace Orleans.Training.EndToEnd;

/// <summary>One document for every field that introspection names, each with arguments that find something.</summary>
internal static class EveryField
{
    private const string Introspection = """
        { __schema { queryType { name } mutationType { name } types { name kind possibleTypes { name }
          fields { name args { name } type { name kind ofType { name kind ofType { name kind ofType { name kind } } } } } } } }
        """;

    public static async Task<List<(string Field, string Document, bool IsIntrospection)>> Documents(HeartFixture heart)
    {
        var schema = (await heart.Client.Query(Introspection)).GetProperty("__schema");
        var types = schema.GetProperty("types").EnumerateArray().ToDictionary(type => type.GetProperty("name").GetString()!);
        var arguments = await Arguments(heart);
        var found = new List<(string, string, bool)> { ("__schema", "{ __schema { queryType { name } } }", true), ("__type", "{ __type(name: \"Run\") { name } }", true), ("__typename", "{ __typename }", true) };
        var open = new Queue<(string Type, string Before, string After)>();
        open.Enqueue((schema.GetProperty("queryType").GetProperty("name").GetString()!, "{", "}"));
        open.Enqueue((schema.GetProperty("mutationType").GetProperty("name").GetString()!, "mutation {", "}"));
        open.Enqueue(("Event", $"{{ node(id: \"{arguments["event"]}\") {{ ... on Event {{", "} } }"));
        var known = open.Select(item => item.Type).ToHashSet();
        while (open.TryDequeue(out var at))
        {
            foreach (var field in types[at.Type].GetProperty("fields").EnumerateArray())
            {
                var name = field.GetProperty("name").GetString()!;
                var call = name + arguments.GetValueOrDefault($"{at.Type}.{name}", "");
                var type = NameOf(field.GetProperty("type"));
                var isLeaf = types[type].GetProperty("fields").ValueKind is JsonValueKind.Null;
                found.Add(($"{at.Type}.{name}", $"{at.Before} {call} {(isLeaf ? "" : "{ __typename }")} {at.After}", false));
                if (!isLeaf && known.Add(type)) open.Enqueue((type, $"{at.Before} {call} {{", $"}} {at.After}"));
            }
        }

        // Whoever adds a type that is reached by no path from here must say how it is.
        var missed = types.Values.Where(type => type.GetProperty("kind").GetString() == "OBJECT").Select(type => type.GetProperty("name").GetString()!).Where(name => !name.StartsWith("__", StringComparison.Ordinal) && name is not ("Subscription" or "SubmissionError")).Except(known);
        SchemaTests.AssertNone(missed.Select(name => $"no document reaches {name}"));
        return found;
    }

    private static async Task<Dictionary<string, string>> Arguments(HeartFixture heart)
    {
        var index = 0L;
        while ((await heart.Host.Shard.Item(index))!.Events.Length == 0) index++;
        var transaction = Convert.ToBase64String((await heart.Federation.Sign("va", TestFederation.Dataset("heart"), "every field")).Encoded.Span);
        Assert.True(Protocol.Ledger.Transaction.TryParse((await heart.Host.Shard.Item(index))!.Transaction!, out var first) is Protocol.Rejection.None);
        var key = Gateway.Reading.GlobalId.Of("txn", heart.Federation.Shard, [.. first!.Payload.Id.ToArray(), .. System.Text.Encoding.ASCII.GetBytes(first.Payload.Actor.Name)]);
        return new Dictionary<string, string>
        {
            ["event"] = Gateway.Reading.GlobalId.Of("evt", heart.Federation.Shard, $"{index}.0"),
            ["Query.node"] = $"(id: \"{heart.RunId}\")",
            ["Query.run"] = $"(id: \"{heart.RunId}\")",
            ["Query.federation"] = $"(id: \"{heart.Federation.Id}\")",
            ["Query.transaction"] = $"(id: \"{key}\")",
            ["Ledger.entry"] = $"(index: \"{index}\")",
            ["Mutation.submitTransaction"] = $"(input: {{ federationId: \"{heart.Federation.Id}\", transaction: \"{transaction}\" }})",
        };
    }

    private static string NameOf(JsonElement type) => type.GetProperty("name").ValueKind is JsonValueKind.String ? type.GetProperty("name").GetString()! : NameOf(type.GetProperty("ofType"));
}
