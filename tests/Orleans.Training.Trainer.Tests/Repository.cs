namespace Orleans.Training.Trainer.Tests;

internal static class Repository
{
    public static string Root { get; } = FindRoot();

    public static string Data(string file) => Path.Combine(Root, "data", file);

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Orleans.Training.sln"))) folder = folder.Parent ?? throw new DirectoryNotFoundException("Orleans.Training.sln is in no folder above the tests.");
        return folder.FullName;
    }
}
