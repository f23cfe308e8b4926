using System.Runtime.InteropServices;

namespace Orleans.Training.Grains;

/// <summary>Names that survive a power failure: .NET syncs files, but not the folder that names them.</summary>
internal static partial class DurableFiles
{
    private const int ReadOnlyFolder = 0x10000 | 0x80000; // O_RDONLY | O_DIRECTORY | O_CLOEXEC

    public const UnixFileMode OwnerFolder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    public const UnixFileMode OwnerFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Creates the folder for its owner alone, and every missing one above it, durably. Leaves existing ones as they are.</summary>
    public static void CreateFolder(string path)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (Directory.Exists(full)) return;
        var parent = Path.GetDirectoryName(full)!;
        CreateFolder(parent);
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(full);
        else Directory.CreateDirectory(full, OwnerFolder);
        SyncFolder(parent);
    }

    /// <summary>Writes a file for its owner alone, in one piece or not at all, durably; replaces what is there.</summary>
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        var unfinished = path + ".new";
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = OwnerFile;
        try
        {
            using (var file = new FileStream(unfinished, options))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }
        }
        catch
        {
            // On a full disk others need what it takes.
            File.Delete(unfinished);
            throw;
        }

        Rename(unfinished, path);
    }

    /// <summary>Renames a synced file within one folder, replacing what is there, durably.</summary>
    public static void Rename(string from, string to)
    {
        File.Move(from, to, overwrite: true);
        SyncFolder(Path.GetDirectoryName(to)!);
    }

    /// <summary>Makes created, renamed and deleted names in the folder durable.</summary>
    public static void SyncFolder(string path)
    {
        if (OperatingSystem.IsWindows()) return; // NTFS journals its names
        var descriptor = Open(path, OperatingSystem.IsLinux() ? ReadOnlyFolder : 0);
        if (descriptor < 0) throw Failure("opened", path);
        try
        {
            if (Sync(descriptor) != 0) throw Failure("synced", path);
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    private static IOException Failure(string what, string path) =>
        new($"The folder {path} could not be {what}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}.");

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Sync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
