using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Keys;

/// <summary>The keys of one participant, as files that only their owner may read. Only the process that the participant chose opens it.</summary>
public sealed class KeyFolder
{
    private const UnixFileMode Others = (UnixFileMode)0b000_111_111;

    private readonly string _folder;

    /// <summary>Opens or creates <c>root/participant</c>.</summary>
    /// <exception cref="OperationalException">OT-4031: group or others may look into the folder.</exception>
    public KeyFolder(string root, ParticipantId participant)
    {
        if (participant == default) throw new ArgumentException("A key folder belongs to a participant.", nameof(participant));
        Participant = participant;
        _folder = Path.Combine(root, participant.Name);
        DurableFiles.CreateFolder(_folder);
        if (!OperatingSystem.IsWindows()) RequireOwnerOnly(File.GetUnixFileMode(_folder), _folder);
    }

    public ParticipantId Participant { get; }

    /// <summary>The names of all keys, in order.</summary>
    public IReadOnlyList<string> Names => [.. Directory.EnumerateFiles(_folder, "*.key").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)];

    /// <summary>Makes a new key and opens it; the caller disposes the signer.</summary>
    /// <exception cref="OperationalException">OT-4033: there is a key of this name already.</exception>
    public ISigner Create(string name, SignatureAlgorithm algorithm)
    {
        var path = PathOf(name);
        var file = KeyFile.Create(algorithm);
        try
        {
            Write(path, file);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(file);
        }

        DurableFiles.SyncFolder(_folder);
        return Open(name);
    }

    /// <summary>Opens a key; the caller disposes the signer.</summary>
    /// <exception cref="OperationalException">OT-4030: no such key. OT-4031: others may read it. OT-4032: it is no whole key file.</exception>
    public ISigner Open(string name)
    {
        var path = PathOf(name);
        var file = GC.AllocateArray<byte>(KeyFile.MaximumBytes + 1, pinned: true);
        try
        {
            using var handle = OpenHandle(path);
            if (!OperatingSystem.IsWindows()) RequireOwnerOnly(File.GetUnixFileMode(handle), path);
            var length = 0;
            for (int read; (read = RandomAccess.Read(handle, file.AsSpan(length), length)) > 0;) length += read;
            return KeyFile.TryOpen(file.AsSpan(0, length)) ?? throw new OperationalException("OT-4032", $"{path} is not a whole key file.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(file);
        }
    }

    /// <summary>Overwrites the key with zeros and removes it; false when there is none. A copy-on-write disk may keep the old bytes.</summary>
    public bool Destroy(string name)
    {
        var path = PathOf(name);
        if (!File.Exists(path)) return false;
        using (var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Write))
        {
            RandomAccess.Write(handle, new byte[RandomAccess.GetLength(handle)], 0);
            RandomAccess.FlushToDisk(handle);
        }

        File.Delete(path);
        DurableFiles.SyncFolder(_folder);
        return true;
    }

    private static void Write(string path, byte[] file)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = DurableFiles.OwnerFile;
        try
        {
            using var stream = new FileStream(path, options);
            stream.Write(file);
            stream.Flush(flushToDisk: true);
        }
        catch (IOException) when (File.Exists(path))
        {
            throw new OperationalException("OT-4033", $"{path} exists; a key is never overwritten.");
        }
    }

    private static SafeFileHandle OpenHandle(string path)
    {
        try
        {
            return File.OpenHandle(path);
        }
        catch (FileNotFoundException)
        {
            throw new OperationalException("OT-4030", $"There is no key file {path}.");
        }
    }

    private static void RequireOwnerOnly(UnixFileMode mode, string path)
    {
        if ((mode & Others) != 0) throw new OperationalException("OT-4031", $"{path} has mode {Convert.ToString((int)mode, 8)}: others than its owner may use it.");
    }

    // The rule of participant names keeps the name inside the folder.
    private string PathOf(string name) => Path.Combine(_folder, (ParticipantId.TryParse(name, out var checkedName) ? checkedName.Name : throw new ArgumentException($"'{name}' is no name for a key.", nameof(name))) + ".key");
}
