using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Keys;

/// <summary>
/// The vote keys of one seat: those of the key folder whose names are <c>vote</c> or begin with <c>vote-</c>. There is more than one while one era's key waits for the next era to take its place.
/// A new one may be put into the folder at any time; it is found when it is looked for.
/// </summary>
public sealed class VoteKeys
{
    /// <summary>The first key's name; later ones are <c>vote-2</c>, <c>vote-3</c>, …</summary>
    public const string FirstName = "vote";

    private readonly Lock _lock = new();
    private readonly KeyFolder? _folder;
    private readonly Dictionary<string, ISigner> _open = new(StringComparer.Ordinal);

    /// <summary>The keys of a folder. What a crash has left of a key that was being destroyed is destroyed first.</summary>
    /// <exception cref="OperationalException">A key cannot be opened.</exception>
    public VoteKeys(KeyFolder folder)
    {
        _folder = folder;
        folder.FinishDestroying();
        OpenNew();
    }

    /// <summary>Keys that lie nowhere but here.</summary>
    public VoteKeys(params IEnumerable<ISigner> signers)
    {
        foreach (var signer in signers) _open.Add($"{_open.Count}", signer);
    }

    /// <summary>The signer of a vote key; null when the key is not here.</summary>
    /// <exception cref="OperationalException">A key that is new in the folder cannot be opened.</exception>
    public ISigner? Find(PublicKey? key)
    {
        if (key is null) return null;
        lock (_lock)
        {
            if (FindOpen(key) is null) OpenNew();
            return FindOpen(key) is { } name ? _open[name] : null;
        }
    }

    /// <summary>Destroys a key for ever: here and in the folder. False when it is not here.</summary>
    public bool Destroy(PublicKey key)
    {
        lock (_lock)
        {
            if (FindOpen(key) is not { } name) return false;
            _open.Remove(name, out var signer);
            (signer as IDisposable)?.Dispose();
            _folder?.Destroy(name);
            return true;
        }
    }

    /// <summary>A key that none of these is: one that lies in the folder already, or a new one there. Null for keys that lie in no folder.</summary>
    /// <param name="used">The keys that must not be given.</param>
    /// <exception cref="OperationalException">A key cannot be opened or made.</exception>
    public ISigner? Other(IReadOnlySet<PublicKey> used)
    {
        if (_folder is null) return null;
        lock (_lock)
        {
            OpenNew();
            if (!_open.Values.Any(signer => !used.Contains(signer.PublicKey)))
            {
                (Create(_folder) as IDisposable)?.Dispose();
                OpenNew();
            }

            return _open.OrderBy(pair => pair.Key, StringComparer.Ordinal).First(pair => !used.Contains(pair.Value.PublicKey)).Value;
        }
    }

    /// <summary>Makes a new vote key in a folder, under the first name that is free.</summary>
    public static ISigner Create(KeyFolder folder)
    {
        var taken = folder.Names.ToHashSet(StringComparer.Ordinal);
        var name = FirstName;
        for (var number = 2; taken.Contains(name); number++) name = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{FirstName}-{number}");
        return folder.Create(name, SignatureAlgorithm.Ed25519);
    }

    private string? FindOpen(PublicKey key) => _open.Where(pair => pair.Value.PublicKey == key).Select(pair => pair.Key).FirstOrDefault();

    private void OpenNew()
    {
        if (_folder is null) return;
        foreach (var name in _folder.Names)
        {
            if ((name == FirstName || name.StartsWith($"{FirstName}-", StringComparison.Ordinal)) && !_open.ContainsKey(name)) _open.Add(name, _folder.OpenFile(name));
        }
    }
}
