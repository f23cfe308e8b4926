namespace Orleans.Training.Protocol.Contracts;

/// <summary>Of which of a participant's blobs a seat says that it holds it.</summary>
public enum MaskBlobKind
{
    /// <summary>The shares that it dealt; held by f + 1 it counts.</summary>
    Shares = 1,
    /// <summary>Its masked update; held by q, or as the agreement checks sums by f + 1, it counts.</summary>
    Input = 2,
    /// <summary>Its openings of seeds, checked against their leaves; held by f + 1 they count.</summary>
    Openings = 3,
    /// <summary>Its openings of b, checked against their leaves; held by f + 1 they count.</summary>
    SilentOpenings = 4,
    /// <summary>The trusted participant's update, which has no masks; held by q it counts.</summary>
    Reference = 5,
}
