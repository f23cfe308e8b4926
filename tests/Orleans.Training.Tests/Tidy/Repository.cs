namespace Orleans.Training.Tests.Tidy;

/// <summary>The files of this repository, found from where the tests run.</summary>
internal static class Repository
{
    private static readonly HashSet<string> NotOurs = ["artifacts", "bin", "obj", "node_modules", "TestResults", ".git", ".vs", ".idea"];
    private static readonly HashSet<string> TextEndings = [".cs", ".csproj", ".props", ".targets", ".sql", ".md", ".json", ".yml", ".yaml", ".graphql", ".js", ".mjs", ".html", ".css", ".sln", ".bicep", ".tf", ".sh", ""];

    public static string Root { get; } = FindRoot();

    /// <summary>Paths relative to the root, with '/', in order.</summary>
    public static IReadOnlyList<string> Files { get; } =
        [.. Walk(Root).Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/')).Order(StringComparer.Ordinal)];

    public static IEnumerable<string> Sources => Files.Where(path => path.EndsWith(".cs", StringComparison.Ordinal));

    public static IEnumerable<string> Projects => Files.Where(path => path.EndsWith(".csproj", StringComparison.Ordinal));

    public static IEnumerable<string> Texts => Files.Where(path => TextEndings.Contains(Path.GetExtension(path)) && !path.StartsWith("data/", StringComparison.Ordinal));

    public static bool Exists(string path) => File.Exists(Full(path)) || Directory.Exists(Full(path));

    public static string Read(string path) => File.ReadAllText(Full(path));

    public static string Full(string path) => Path.Combine(Root, path);

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Orleans.Training.sln"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("The tests do not run inside the repository.");
    }

    private static IEnumerable<string> Walk(string folder)
    {
        foreach (var file in Directory.EnumerateFiles(folder)) yield return file;
        foreach (var child in Directory.EnumerateDirectories(folder).Where(child => !NotOurs.Contains(Path.GetFileName(child))))
        {
            foreach (var file in Walk(child)) yield return file;
        }
    }
}
