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
    private static readonly EnumerationOptions Everything = new() { RecurseSubdirectories = true, AttributesToSkip = 0, IgnoreInaccessible = false };

    public IEnumerable<string> Names
    {
        get
        {
            foreach (var item in new DirectoryInfo(folder).EnumerateFileSystemInfos("*", Everything))
            {
                var name = Path.GetRelativePath(folder, item.FullName).Replace('\\', '/');
                // Whoever made the folder must not choose what else of this machine is read: a device, for one, has no end.
                if (item.LinkTarget is not null) throw new ExportException(ExportFault.UnexpectedFile, name, "is a link; an export holds files only");
                if (item is FileInfo) yield return name;
            }
        }
    }

    public long Length(string file) => new FileInfo(Path.Combine(folder, file)).Length;

    public byte[] Read(string file) => File.ReadAllBytes(Path.Combine(folder, file));
}
