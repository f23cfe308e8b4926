using System.Globalization;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>A folder on a small file system of its own, which can be filled up to the last pages.</summary>
internal sealed class SmallDisk : IDisposable
{
    /// <summary>The unit in which such a file system gives space.</summary>
    public const int PageBytes = 4096;

    private readonly string _folder;

    /// <summary>Puts what the folder holds on the new file system.</summary>
    public SmallDisk(string folder, int kibibytes)
    {
        _folder = folder;
        var before = folder + ".before";
        Directory.CreateDirectory(folder);
        Directory.Move(folder, before);
        Directory.CreateDirectory(folder);
        MachineTool.Run("mount", "-t", "tmpfs", "-o", string.Create(CultureInfo.InvariantCulture, $"size={kibibytes}k,mode=700"), "tmpfs", folder);
        MachineTool.Run("cp", "-a", before + "/.", folder);
        Directory.Delete(before, recursive: true);
    }

    private string Ballast => Path.Combine(_folder, "ballast");

    public long FreeBytes => new DriveInfo(_folder).AvailableFreeSpace;

    /// <summary>Takes all space but so many pages.</summary>
    public void Fill(int pagesLeft)
    {
        using var ballast = File.OpenHandle(Ballast, FileMode.Create, FileAccess.Write);
        var page = new byte[PageBytes];
        for (long offset = 0; FreeBytes > (long)pagesLeft * PageBytes; offset += PageBytes) RandomAccess.Write(ballast, page, offset);
    }

    /// <summary>Gives the space back.</summary>
    public void Empty() => File.Delete(Ballast);

    /// <summary>A larger disk.</summary>
    public void Grow(int kibibytes) => MachineTool.Run("mount", "-o", string.Create(CultureInfo.InvariantCulture, $"remount,size={kibibytes}k"), _folder);

    // Processes may still be at work in it.
    public void Dispose() => MachineTool.Run("umount", "--lazy", _folder);
}
