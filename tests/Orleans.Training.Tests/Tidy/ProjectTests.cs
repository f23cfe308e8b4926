using System.Xml.Linq;

namespace Orleans.Training.Tests.Tidy;

/// <summary>The rules about projects: which there are, what they may reference.</summary>
public sealed class ProjectTests
{
    private const string Prefix = "Orleans.Training.";

    // A project more needs a decision record that names the dependency which it isolates.
    private static readonly Dictionary<string, string[]> References = new()
    {
        ["Protocol"] = [],
        ["Grains"] = ["Protocol"],
        ["Client"] = ["Protocol"],
        ["Gateway"] = ["Protocol", "Grains"],
        ["Trainer"] = ["Protocol", "Grains", "Client"],
        ["Cli"] = ["Protocol", "Grains", "Client", "Gateway", "Trainer"],
    };

    private static readonly string[] TestProjects = ["Tests", "Trainer.Tests", "Simulation", "EndToEnd", "Benchmarks", "Fuzzing"];

    private static readonly string[] ProtocolPackages = ["Geralt", "System.Formats.Cbor"];

    [Fact]
    public void Projects_AreThoseOfTheHouse()
    {
        var allowed = References.Keys.Select(name => PathOf("src", name)).Concat(TestProjects.Select(name => PathOf("tests", name)));
        SourceTests.AssertNone(Repository.Projects.Except(allowed).Select(path => $"{path} is not one of the projects of the house"));
    }

    [Fact]
    public void Solution_HoldsEveryProject_AndNothingElse()
    {
        var solution = Repository.Read("Orleans.Training.sln").Replace('\\', '/').Split('"').Where(part => part.EndsWith(".csproj", StringComparison.Ordinal));
        Assert.Equal(Repository.Projects.Order(StringComparer.Ordinal), solution.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void SourceProjects_ReferenceOnlyDownwards() =>
        SourceTests.AssertNone(
            from path in Repository.Projects
            where path.StartsWith("src/", StringComparison.Ordinal)
            let allowed = References.GetValueOrDefault(NameOf(path), [])
            from reference in Items(path, "ProjectReference")
            where !allowed.Contains(NameOf(reference))
            select $"{path} references {NameOf(reference)}");

    [Fact]
    public void Protocol_UsesOnlyItsTwoPackages()
    {
        var path = PathOf("src", "Protocol");
        SourceTests.AssertNone(Items(path, "PackageReference").Except(ProtocolPackages).Select(package => $"{path} uses {package}"));
    }

    [Fact]
    public void Versions_AreCentral() =>
        SourceTests.AssertNone(
            from path in Repository.Projects
            from reference in XDocument.Load(Repository.Full(path)).Descendants("PackageReference")
            where reference.Attribute("Version") is not null || reference.Attribute("VersionOverride") is not null
            select $"{path} states a version of {reference.Attribute("Include")?.Value}");

    [Fact]
    public void EveryProject_HasItsLockFile() =>
        SourceTests.AssertNone(Repository.Projects.Select(path => $"{Path.GetDirectoryName(path)}/packages.lock.json".Replace('\\', '/')).Where(path => !Repository.Exists(path)).Select(path => $"{path} is missing"));

    private static IEnumerable<string> Items(string project, string kind) =>
        XDocument.Load(Repository.Full(project)).Descendants(kind).Select(item => item.Attribute("Include")?.Value ?? "");

    private static string PathOf(string folder, string name) => $"{folder}/{Prefix}{name}/{Prefix}{name}.csproj";

    private static string NameOf(string project) => Path.GetFileNameWithoutExtension(project.Replace('\\', '/'))[Prefix.Length..];
}
