using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using Orleans.Training.Grains;
using Orleans.Training.Protocol;

namespace Orleans.Training.Gateway.Keys;

/// <summary>
/// The API keys of a gateway, from a file that holds their SHA-256 only (docs/spec/api.md §2). A file that cannot be read lets nobody in.
/// </summary>
public sealed class ApiKeys
{
    private const UnixFileMode Others = (UnixFileMode)0b000_111_111;
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web) { WriteIndented = true, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true };
    private static readonly TimeSpan LockPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan DefaultValidity = TimeSpan.FromDays(90);
    private readonly string _path;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private (DateTime Written, long Length) _stamp;
    private Known[] _known = [];

    internal ApiKeys(string path, TimeProvider time) => (_path, _time) = (path, time);

    /// <summary>Makes a key for a tenant and adds it to the file; the secret is given here, once, and kept nowhere. Whoever else adds one at that moment waits.</summary>
    /// <param name="path">The file; it is made, for its owner alone, if there is none.</param>
    /// <param name="tenant">Who pays.</param>
    /// <param name="shards">The shards of the federations that the key opens.</param>
    /// <param name="scopes">Some of <see cref="Scopes.All"/>.</param>
    /// <param name="time">Now.</param>
    /// <param name="validity">How long the key is good; 90 days unless given.</param>
    /// <exception cref="OperationalException">OT-6021: the file is no key file, others may use it, or another writer holds it for too long.</exception>
    public static string Create(string path, string tenant, IEnumerable<Identifier> shards, IEnumerable<string> scopes, TimeProvider time, TimeSpan? validity = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(tenant);
        var granted = scopes.Distinct(StringComparer.Ordinal).ToArray();
        if (granted.Length == 0 || granted.Except(Scopes.All).Any()) throw new ArgumentException($"Scopes are {string.Join(", ", Scopes.All)}.", nameof(scopes));
        using var held = Hold(path);
        var existing = File.Exists(path) ? Read(path).Keys : [];
        if (existing.Length >= GatewayLimits.Keys) throw new OperationalException("OT-6021", $"{path} holds {existing.Length} keys, which is the limit: remove expired ones.");
        var now = time.GetUtcNow();
        var secret = ApiKeySecret.Create();
        var record = new KeyRecord(Convert.ToHexStringLower(ApiKeySecret.HashOf(secret)), tenant, [.. shards.Distinct().Select(shard => shard.ToString())], granted, now, now + (validity ?? DefaultValidity));
        Write(path, new KeyFile(1, [.. existing, record]));
        return secret;
    }

    /// <summary>Who holds this key; null when it is no key, unknown, or no longer good.</summary>
    internal Caller? Find(string secret)
    {
        if (!ApiKeySecret.IsWellFormed(secret)) return null;
        var hash = ApiKeySecret.HashOf(secret);
        Known? found = null;
        // Every key is compared in full, so that time tells nothing.
        foreach (var known in Current())
        {
            if (CryptographicOperations.FixedTimeEquals(known.Hash, hash)) found = known;
        }

        return found is not null && _time.GetUtcNow() < found.ExpiresAt ? found.Caller : null;
    }

    /// <summary>Reads the file now, so that a damaged one is found at start; a missing one is no error.</summary>
    internal void Check()
    {
        if (File.Exists(_path)) Read(_path);
    }

    private Known[] Current()
    {
        lock (_lock)
        {
            var file = new FileInfo(_path);
            var stamp = file.Exists ? (file.LastWriteTimeUtc, file.Length) : default;
            if (stamp == _stamp) return _known;
            try
            {
                _known = file.Exists ? [.. Read(_path).Keys.Select(Known.Of)] : [];
            }
            catch (Exception exception) when (exception is OperationalException or IOException or UnauthorizedAccessException)
            {
                _known = [];
            }

            _stamp = stamp;
            return _known;
        }
    }

    private static KeyFile Read(string path)
    {
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & Others) != 0) throw new OperationalException("OT-6021", $"{path} may be used by others than its owner: chmod 600 it, and replace its keys if anyone can have written to it.");
        try
        {
            var file = JsonSerializer.Deserialize<KeyFile>(File.ReadAllBytes(path), Format);
            if (file is { Version: 1, Keys.Length: <= GatewayLimits.Keys } && file.Keys.All(key => Digest.TryParse(key.Hash, out _) && key.Shards.All(shard => Identifier.TryParse(shard, out _)))) return file;
        }
        catch (JsonException)
        {
            // Told below.
        }

        throw new OperationalException("OT-6021", $"{path} is not a key file: restore it, or remove it and make new keys.");
    }

    // Between reading and writing nobody else may write: what they added would be lost. The lock is a file of its own, since the key file is replaced; it ends with the process at the latest.
    private static FileStream Hold(string path)
    {
        for (var begun = Stopwatch.GetTimestamp(); ;)
        {
            try
            {
                return new FileStream(path + ".lock", ForOwner(FileMode.OpenOrCreate));
            }
            catch (IOException exception) when (exception is not (DirectoryNotFoundException or PathTooLongException))
            {
                if (Stopwatch.GetElapsedTime(begun) > LockPatience) throw new OperationalException("OT-6021", $"{path} is being written by another process, which holds {path}.lock: end it, and try again.", exception);
            }

            Thread.Sleep(10);
        }
    }

    private static FileStreamOptions ForOwner(FileMode mode)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return options;
    }

    private static void Write(string path, KeyFile file)
    {
        var next = path + ".next";
        using (var stream = new FileStream(next, ForOwner(FileMode.Create)))
        {
            JsonSerializer.Serialize(stream, file, Format);
            stream.Flush(flushToDisk: true);
        }

        File.Move(next, path, overwrite: true);
    }

    private sealed record KeyFile(int Version, KeyRecord[] Keys);

    private sealed record KeyRecord(string Hash, string Tenant, string[] Shards, string[] Scopes, DateTimeOffset CreatedAt, DateTimeOffset ExpiresAt);

    private sealed record Known(byte[] Hash, DateTimeOffset ExpiresAt, Caller Caller)
    {
        public static Known Of(KeyRecord record) => new(Convert.FromHexString(record.Hash), record.ExpiresAt, new Caller(
            record.Tenant,
            record.Shards.Select(shard => Identifier.TryParse(shard, out var identifier) ? identifier : default).ToHashSet(),
            record.Scopes.ToHashSet(StringComparer.Ordinal)));
    }
}
