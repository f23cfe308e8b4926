using System.Buffers.Binary;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Grains.Participants;

/// <summary>
/// A participant's journal of one masked attempt (docs/spec/fedmask.md §11): records under a key that was made for it and is deleted with it. Only one process has it open. When an append has
/// failed the records may be there or not: the journal is closed, and what it then holds counts.
/// </summary>
internal sealed class MaskJournal : IDisposable
{
    /// <summary>Bytes of a key: what seals the attempt's own.</summary>
    public const int KeyBytes = 32;

    private const int NonceBytes = 12;
    private const int TagBytes = 16;
    private const int LengthBytes = 2 * sizeof(int);
    private const int HeadBytes = LengthBytes + NonceBytes;
    private const int SealedKeyBytes = NonceBytes + KeyBytes + TagBytes;

    private readonly string _path;
    private readonly byte[] _name;
    private readonly AesGcm _cipher;
    private readonly SafeFileHandle _file;
    private readonly List<MaskRecord> _records = [];
    private readonly Action<string> _reach;
    private long _length;
    private bool _isBroken;

    private MaskJournal(string path, string name, AesGcm cipher, SafeFileHandle file, Action<string> reach)
    {
        (_path, _name, _cipher, _file, _reach) = (path, System.Text.Encoding.ASCII.GetBytes(name), cipher, file, reach);
        Read();
    }

    /// <summary>What is durable, in order.</summary>
    public IReadOnlyList<MaskRecord> Records => _records;

    /// <summary>Opens the journal of an attempt, or begins one.</summary>
    /// <param name="folder">The participant's own, on the machine that it chose.</param>
    /// <param name="name">The attempt's name, fit for a file.</param>
    /// <param name="sealing">32 bytes that only the participant can compute: under them lies the key that was drawn for this attempt.</param>
    /// <param name="reach">Called at each step of a write, by the tests.</param>
    /// <exception cref="OperationalException">OT-4061: another process has it open.</exception>
    /// <exception cref="LedgerCorruptException">OT-4060: it is damaged, or its key is gone.</exception>
    public static MaskJournal Open(string folder, string name, ReadOnlySpan<byte> sealing, Action<string>? reach = null)
    {
        DurableFiles.CreateFolder(folder);
        var path = Path.Combine(folder, name + ".journal");
        var isNew = !File.Exists(path);
        SafeFileHandle file;
        try
        {
            file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException exception) when (exception is not (FileNotFoundException or DirectoryNotFoundException))
        {
            throw new OperationalException("OT-4061", $"The journal {path} is open already: a participant takes part in an attempt in one process.", exception);
        }

        try
        {
            if (isNew) DurableFiles.SyncFolder(folder);
            var cipher = OpenKey(KeyFileOf(path), sealing, RandomAccess.GetLength(file) == 0);
            try
            {
                return new MaskJournal(path, name, cipher, file, reach ?? CrashPoints.Reach);
            }
            catch
            {
                cipher.Dispose();
                throw;
            }
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Writes records and makes them durable.</summary>
    /// <exception cref="IOException">It is not known whether they are: the journal must be opened again.</exception>
    public void Append(IReadOnlyList<MaskRecord> records)
    {
        if (_isBroken) throw new IOException($"A write to {_path} has failed: the journal must be opened again.");
        if (records.Count == 0) return;
        byte[] frames = [.. records.SelectMany((record, i) => Frame(record, _records.Count + i))];
        try
        {
            _reach("mask-journal-before-write");
            RandomAccess.Write(_file, frames, _length);
            _reach("mask-journal-before-sync");
            RandomAccess.FlushToDisk(_file);
            _reach("mask-journal-after-sync");
        }
        catch
        {
            _isBroken = true;
            throw;
        }

        _length += frames.Length;
        _records.AddRange(records);
    }

    /// <summary>Deletes the key, and then the records: nothing that is left of them can be read.</summary>
    public void Destroy()
    {
        var key = KeyFileOf(_path);
        if (File.Exists(key))
        {
            using (var file = File.OpenHandle(key, FileMode.Open, FileAccess.Write))
            {
                RandomAccess.Write(file, new byte[SealedKeyBytes], 0);
                RandomAccess.FlushToDisk(file);
            }

            File.Delete(key);
            DurableFiles.SyncFolder(Path.GetDirectoryName(key)!);
        }

        Dispose();
        File.Delete(_path);
        DurableFiles.SyncFolder(Path.GetDirectoryName(_path)!);
    }

    public void Dispose()
    {
        _cipher.Dispose();
        _file.Dispose();
    }

    private static string KeyFileOf(string path) => Path.ChangeExtension(path, ".key");

    // The key that was drawn when the journal began: nonce ‖ key ‖ tag. It is durable before the first record is.
    private static AesGcm OpenKey(string path, ReadOnlySpan<byte> sealing, bool mayBegin)
    {
        var key = GC.AllocateArray<byte>(KeyBytes, pinned: true);
        using var cipher = new AesGcm(sealing, TagBytes);
        try
        {
            if (!File.Exists(path))
            {
                if (!mayBegin) throw new LedgerCorruptException("OT-4060", $"The key {path} is gone, and with it the journal: the participant has left the attempt.");
                RandomNumberGenerator.Fill(key);
                var file = new byte[SealedKeyBytes];
                RandomNumberGenerator.Fill(file.AsSpan(0, NonceBytes));
                cipher.Encrypt(file.AsSpan(0, NonceBytes), key, file.AsSpan(NonceBytes, KeyBytes), file.AsSpan(NonceBytes + KeyBytes));
                DurableFiles.Write(path, file);
                return new AesGcm(key, TagBytes);
            }

            var bytes = File.ReadAllBytes(path);
            if (bytes.Length != SealedKeyBytes) throw new LedgerCorruptException("OT-4060", $"{path} is no key of a journal: the participant has left the attempt.");
            cipher.Decrypt(bytes.AsSpan(0, NonceBytes), bytes.AsSpan(NonceBytes, KeyBytes), bytes.AsSpan(NonceBytes + KeyBytes), key);
            return new AesGcm(key, TagBytes);
        }
        catch (AuthenticationTagMismatchException)
        {
            throw new LedgerCorruptException("OT-4060", $"{path} is damaged, or was sealed by another participant: the participant has left the attempt.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    // Length of what is sealed (4, little-endian) ‖ its complement ‖ random nonce ‖ sealed record ‖ tag. By the complement a changed length does not look like an append that was cut short, behind
    // which nothing would be left.
    private byte[] Frame(MaskRecord record, int number)
    {
        var frame = new byte[HeadBytes + record.Bytes.Length + TagBytes];
        BinaryPrimitives.WriteInt32LittleEndian(frame, record.Bytes.Length);
        BinaryPrimitives.WriteInt32LittleEndian(frame.AsSpan(sizeof(int)), ~record.Bytes.Length);
        RandomNumberGenerator.Fill(frame.AsSpan(LengthBytes, NonceBytes));
        _cipher.Encrypt(frame.AsSpan(LengthBytes, NonceBytes), record.Bytes.Span, frame.AsSpan(HeadBytes, record.Bytes.Length), frame.AsSpan(HeadBytes + record.Bytes.Length), About(number));
        return frame;
    }

    // A record is bound to its attempt and place: none can be taken out, exchanged or brought in from elsewhere.
    private byte[] About(int number)
    {
        byte[] about = [.. "FLv1-mask-journal\0"u8, .. _name, 0, 0, 0, 0];
        BinaryPrimitives.WriteInt32LittleEndian(about.AsSpan(^sizeof(int)..), number);
        return about;
    }

    private void Read()
    {
        var content = new byte[RandomAccess.GetLength(_file)];
        for (var read = 0; read < content.Length;)
        {
            var more = RandomAccess.Read(_file, content.AsSpan(read), read);
            if (more == 0) throw new IOException($"{_path} became shorter while it was read.");
            read += more;
        }

        var rest = content.AsSpan();
        while (TryTake(ref rest, out var record)) _records.Add(record!);
        _length = content.Length - rest.Length;
        if (rest.IsEmpty) return;
        // An append that was cut short: what it was for has not happened, since that waits for the sync.
        RandomAccess.SetLength(_file, _length);
        RandomAccess.FlushToDisk(_file);
    }

    private bool TryTake(ref Span<byte> rest, out MaskRecord? record)
    {
        record = null;
        if (rest.Length < HeadBytes + TagBytes || !rest.ContainsAnyExcept((byte)0)) return false;
        var length = BinaryPrimitives.ReadInt32LittleEndian(rest);
        if (length is < 1 or > MaskRecord.MaximumBytes || BinaryPrimitives.ReadInt32LittleEndian(rest[sizeof(int)..]) != ~length) throw Damaged();
        if (rest.Length < HeadBytes + length + TagBytes) return false;
        var bytes = new byte[length];
        try
        {
            _cipher.Decrypt(rest.Slice(LengthBytes, NonceBytes), rest.Slice(HeadBytes, length), rest.Slice(HeadBytes + length, TagBytes), bytes, About(_records.Count));
        }
        catch (AuthenticationTagMismatchException)
        {
            throw Damaged();
        }

        rest = rest[(HeadBytes + length + TagBytes)..];
        return MaskRecord.TryRead(bytes, out record) ? true : throw Damaged();
    }

    private LedgerCorruptException Damaged() => new("OT-4060", $"Record {_records.Count} of {_path} is not what was written: the participant has left the attempt.");
}
