using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Keys;

/// <summary>
/// The keys of one participant, as files that only their owner may read. Only the process that the participant chose opens it. With the file
/// <c>passphrase.source</c> in it the folder is protected: it names where the passphrase is, and every key file is sealed under that.
/// </summary>
public sealed class KeyFolder
{
    /// <summary>The key that may lie elsewhere: <c>transaction.ref</c> instead of <c>transaction.key</c> holds a <see cref="KeyReference"/>.</summary>
    public const string IdentityKey = "transaction";

    private const UnixFileMode Others = (UnixFileMode)0b000_111_111;
    private const string PassphraseFile = "passphrase.source";
    private const string Doomed = ".destroyed";

    private readonly string _folder;
    private readonly PassphraseCost _cost;
    private SecretSource? _passphrase;

    /// <summary>Opens or creates <c>root/participant</c>.</summary>
    /// <exception cref="OperationalException">OT-4031: group or others may look into the folder. OT-4036: its <c>passphrase.source</c> names no source.</exception>
    public KeyFolder(string root, ParticipantId participant)
        : this(root, participant, PassphraseCost.Default)
    {
    }

    internal KeyFolder(string root, ParticipantId participant, PassphraseCost cost)
    {
        if (participant == default) throw new ArgumentException("A key folder belongs to a participant.", nameof(participant));
        Participant = participant;
        _cost = cost;
        _folder = Path.Combine(root, participant.Name);
        DurableFiles.CreateFolder(_folder);
        if (!OperatingSystem.IsWindows()) RequireOwnerOnly(File.GetUnixFileMode(_folder), _folder);
        if (ReadLine(Path.Combine(_folder, PassphraseFile)) is not { } line) return;
        if (!SecretSource.TryParse(line, out _passphrase)) throw new OperationalException("OT-4036", $"{Path.Combine(_folder, PassphraseFile)} must hold one line, file:/absolute/path or env:NAME.");
    }

    public ParticipantId Participant { get; }

    /// <summary>Whether the key files lie under a passphrase.</summary>
    public bool IsProtected => _passphrase is not null;

    /// <summary>The names of all keys that lie here, in order.</summary>
    public IReadOnlyList<string> Names => [.. Directory.EnumerateFiles(_folder, "*.key").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)];

    /// <summary>Makes a new key and opens it; the caller disposes the signer.</summary>
    /// <exception cref="OperationalException">OT-4033: there is a key of this name already. OT-4035: the passphrase cannot be read.</exception>
    public ISigner Create(string name, SignatureAlgorithm algorithm)
    {
        var path = PathOf(name);
        if (File.Exists(ReferenceOf(name))) throw new OperationalException("OT-4033", $"{ReferenceOf(name)} says that the key lies elsewhere; a key is never overwritten.");
        var plain = KeyFile.Create(algorithm);
        try
        {
            // Whoever looks into the folder meanwhile sees the whole key or none.
            if (File.Exists(path)) throw Exists(path);
            var unfinished = path + ".new";
            File.Delete(unfinished);
            Write(unfinished, _passphrase is null ? plain : Seal(plain, _passphrase));
            MoveToFree(unfinished, path);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }

        DurableFiles.SyncFolder(_folder);
        return Open(name);
    }

    /// <summary>Opens a key, wherever it lies; the caller disposes the signer. With a reference this may wait for a token or a vault.</summary>
    /// <exception cref="OperationalException">
    /// OT-4030: no such key. OT-4031: others may read it. OT-4032: it is no whole key file. OT-4034: the passphrase is wrong. OT-4035: the passphrase or PIN cannot be
    /// read. OT-4036: the reference is none, or not allowed here. OT-4037: the file is not sealed as the folder says. OT-404x, OT-405x: the token or vault refuses.
    /// </exception>
    public ISigner Open(string name)
    {
        return ReadLine(ReferenceOf(name)) is { } line ? OpenElsewhere(name, line) : OpenFile(name);
    }

    internal ISigner OpenFile(string name)
    {
        var path = PathOf(name);
        var plain = ReadPlain(path);
        try
        {
            return KeyFile.TryOpen(plain) ?? throw NotWhole(path);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    /// <summary>
    /// Puts all keys under the passphrase of a source, and notes the source. The plain bytes are overwritten with zeros; a copy-on-write disk may keep them. Interrupted,
    /// it is to be called again.
    /// </summary>
    /// <exception cref="OperationalException">OT-4035: the passphrase cannot be read. OT-4037: the folder is protected already. Else as <see cref="Open"/>.</exception>
    public void Protect(SecretSource source)
    {
        if (IsProtected) throw new OperationalException("OT-4037", $"{_folder} is protected already, with the passphrase of {_passphrase}.");
        foreach (var name in Names)
        {
            var path = PathOf(name);
            var file = ReadFile(path);
            try
            {
                if (SealedKeyFile.IsOne(file)) CryptographicOperations.ZeroMemory(Unseal(file, path, source));
                else Replace(path, Seal(KeyFile.IsWhole(file) ? file : throw NotWhole(path), source));
            }
            finally
            {
                CryptographicOperations.ZeroMemory(file);
            }
        }

        Write(Path.Combine(_folder, PassphraseFile), Encoding.UTF8.GetBytes($"{source}\n"));
        DurableFiles.SyncFolder(_folder);
        _passphrase = source;
    }

    /// <summary>
    /// Overwrites the key with zeros and removes it; false when there is none. It has lost its name durably before its first byte is overwritten, so that a crash leaves the key or no key
    /// (<see cref="FinishDestroying"/>). A copy-on-write disk may keep the old bytes.
    /// </summary>
    public bool Destroy(string name)
    {
        var path = PathOf(name);
        if (!File.Exists(path)) return false;
        DurableFiles.Rename(path, Path.ChangeExtension(path, Doomed));
        CrashPoints.Reach("key-unnamed-before-overwritten");
        FinishDestroying();
        return true;
    }

    /// <summary>Destroys what a crash has left of keys that were being destroyed.</summary>
    public void FinishDestroying()
    {
        foreach (var path in Directory.EnumerateFiles(_folder, $"*{Doomed}"))
        {
            using (var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Write)) Overwrite(handle);
            File.Delete(path);
            DurableFiles.SyncFolder(_folder);
        }
    }

    internal static void RequireOwnerOnly(SafeFileHandle handle, string path)
    {
        if (!OperatingSystem.IsWindows()) RequireOwnerOnly(File.GetUnixFileMode(handle), path);
    }

    private static void RequireOwnerOnly(UnixFileMode mode, string path)
    {
        if ((mode & Others) != 0) throw new OperationalException("OT-4031", $"{path} has mode {Convert.ToString((int)mode, 8)}: others than its owner may use it.");
    }

    private ISigner OpenElsewhere(string name, string line)
    {
        var path = ReferenceOf(name);
        if (name != IdentityKey) throw new OperationalException("OT-4036", $"{path}: only the key '{IdentityKey}' may lie elsewhere; the others are software keys of this folder.");
        if (File.Exists(PathOf(name))) throw new OperationalException("OT-4036", $"{path} and {PathOf(name)} both exist: remove the one that does not count.");
        if (!KeyReference.TryParse(line, out var reference, out var problem)) throw new OperationalException("OT-4036", $"{path} is no key reference: {problem}.");
        return Signers.Open(reference!, this);
    }

    private byte[] ReadPlain(string path)
    {
        var file = ReadFile(path);
        if (!SealedKeyFile.IsOne(file))
        {
            if (_passphrase is null || !KeyFile.IsOne(file)) return file;
            CryptographicOperations.ZeroMemory(file);
            throw new OperationalException("OT-4037", $"{path} is not sealed, but its folder is protected by a passphrase.");
        }

        return Unseal(file, path, _passphrase ?? throw new OperationalException("OT-4037", $"{path} is sealed, but {Path.Combine(_folder, PassphraseFile)} does not name a passphrase."));
    }

    private static byte[] Unseal(ReadOnlySpan<byte> file, string path, SecretSource source)
    {
        if (!SealedKeyFile.IsWhole(file)) throw NotWhole(path);
        using var passphrase = source.Read();
        return SealedKeyFile.Unseal(file, passphrase.Bytes) ?? throw new OperationalException("OT-4034", $"{path} does not open with this passphrase.");
    }

    private byte[] Seal(ReadOnlySpan<byte> plain, SecretSource source)
    {
        using var passphrase = source.Read();
        return SealedKeyFile.Seal(plain, passphrase.Bytes, _cost);
    }

    // The file as it is, in a pinned buffer that the caller zeroes.
    private static byte[] ReadFile(string path)
    {
        using var handle = OpenHandle(path);
        RequireOwnerOnly(handle, path);
        if (RandomAccess.GetLength(handle) > SealedKeyFile.MaximumBytes) throw NotWhole(path);
        var file = GC.AllocateArray<byte>((int)RandomAccess.GetLength(handle), pinned: true);
        var length = 0;
        for (int read; (read = RandomAccess.Read(handle, file.AsSpan(length), length)) > 0;) length += read;
        return length == file.Length ? file : throw NotWhole(path);
    }

    // A small text file of one line; null when there is none.
    private static string? ReadLine(string path)
    {
        if (!File.Exists(path)) return null;
        using var handle = OpenHandle(path);
        RequireOwnerOnly(handle, path);
        var bytes = new byte[KeyReference.MaximumCharacters + 2];
        var length = RandomAccess.Read(handle, bytes, 0);
        return Encoding.UTF8.GetString(bytes, 0, length).TrimEnd('\n', '\r');
    }

    private static void Write(string path, byte[] file)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = DurableFiles.OwnerFile;
        using var stream = Create(path, options);
        try
        {
            stream.Write(file);
            stream.Flush(flushToDisk: true);
        }
        catch
        {
            // Half a key is none.
            File.Delete(path);
            throw;
        }
    }

    private static FileStream Create(string path, FileStreamOptions options)
    {
        try
        {
            return new FileStream(path, options);
        }
        catch (IOException) when (File.Exists(path))
        {
            throw Exists(path);
        }
    }

    private static void MoveToFree(string from, string to)
    {
        try
        {
            File.Move(from, to, overwrite: false);
        }
        catch (IOException) when (File.Exists(to))
        {
            throw Exists(to);
        }
    }

    private static OperationalException Exists(string path) => new("OT-4033", $"{path} exists; a key is never overwritten.");

    // The old bytes are reached through their handle once the new file has the name.
    private static void Replace(string path, byte[] file)
    {
        var replacement = path + ".new";
        File.Delete(replacement);
        Write(replacement, file);
        using var old = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        DurableFiles.Rename(replacement, path);
        Overwrite(old);
    }

    private static void Overwrite(SafeFileHandle handle)
    {
        RandomAccess.Write(handle, new byte[RandomAccess.GetLength(handle)], 0);
        RandomAccess.FlushToDisk(handle);
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

    private static OperationalException NotWhole(string path) => new("OT-4032", $"{path} is not a whole key file.");

    // The rule of participant names keeps the name inside the folder.
    private string PathOf(string name) => Path.Combine(_folder, (ParticipantId.TryParse(name, out var checkedName) ? checkedName.Name : throw new ArgumentException($"'{name}' is no name for a key.", nameof(name))) + ".key");

    private string ReferenceOf(string name) => Path.ChangeExtension(PathOf(name), ".ref");
}
