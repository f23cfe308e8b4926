namespace Orleans.Training.Client.Exports;

/// <summary>The files of an export, by their paths relative to its folder, with '/'.</summary>
internal interface IExportFiles
{
    /// <summary>Every file there is.</summary>
    IEnumerable<string> Names { get; }

    /// <summary>Bytes of a file that is there.</summary>
    long Length(string file);

    /// <summary>The content of a file that is there.</summary>
    byte[] Read(string file);
}

/// <summary>An export on disk.</summary>
internal sealed class ExportFolder(string folder) : IExportFiles
{
    public IEnumerable<string> Names => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(folder, path).Replace('\\', '/'));

    public long Length(string file) => new FileInfo(Path.Combine(folder, file)).Length;

    public byte[] Read(string file) => File.ReadAllBytes(Path.Combine(folder, file));
}
