using GraphQL;
using GraphQL.Types;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Training.Gateway;

namespace Orleans.Training.EndToEnd;

public sealed class SchemaTests
{
    /// <summary>The schema that clients rely on: to change it on purpose, copy the file that a failure names over the golden one.</summary>
    [Fact]
    public void Schema_IsTheGoldenOne()
    {
        using var services = new ServiceCollection().AddLogging().AddOrleansTrainingGateway(_ => { }).BuildServiceProvider();
        var schema = services.GetRequiredService<ISchema>();
        schema.Initialize();
        var printed = schema.Print(new GraphQL.Utilities.PrintOptions { StringComparison = StringComparison.Ordinal }).ReplaceLineEndings("\n").Trim() + "\n";
        var golden = Path.Combine(Repository.Root, "src", "Orleans.Training.Gateway", "schema.graphql");
        if (File.Exists(golden) && File.ReadAllText(golden) == printed) return;
        var found = Path.Combine(AppContext.BaseDirectory, "schema.graphql");
        File.WriteAllText(found, printed);
        Assert.Fail($"The schema is not {golden}. If that is meant, tell clients, and: cp {found} {golden}");
    }

    internal static void AssertNone(IEnumerable<string> faults) => Assert.True(faults.ToList() is { Count: 0 }, string.Join('\n', faults));
}

internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Orleans.Training.sln"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("The tests do not run inside the repository.");
    }
}
