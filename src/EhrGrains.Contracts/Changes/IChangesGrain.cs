using System.Runtime.CompilerServices;
using EhrGrains.Contracts.Callers;

namespace EhrGrains.Contracts.Changes;

/// <summary>
/// The changes of one tenant's records, for apps. A stateless worker; key: <see cref="GrainKeys.Tenant"/>. The caller sees the changes
/// of the resource types that it may read.
/// </summary>
[Alias("ehr.IChangesGrain")]
public interface IChangesGrain : IGrainWithStringKey
{
    /// <summary>
    /// Changes after a number, at most <paramref name="countMax"/> (1–1,000). Where there are none it waits for some, at most
    /// <paramref name="wait"/> (0–30 s).
    /// </summary>
    /// <exception cref="ProblemException">
    /// Gone: changes after that number are no longer kept. NotFound: no such tenant, or no grant there. Unavailable: audit cannot be
    /// written.
    /// </exception>
    [Alias("Page"), Requires(Permission.Query), ResponseTimeout("00:01:00")]
    Task<ChangePage> PageAsync(long after, int countMax, TimeSpan wait, CancellationToken cancellationToken);
}

/// <summary>Reading on and on.</summary>
public static class ChangeReading
{
    /// <summary>
    /// The tenant's changes after a number, and then each as it is committed, until cancelled. Each page is a call of its own: a silo
    /// that ends, or a reader that is slow, loses nothing, and the caller's rights are checked anew.
    /// </summary>
    /// <exception cref="ProblemException">As <see cref="IChangesGrain.PageAsync"/>.</exception>
    public static async IAsyncEnumerable<ChangeRecord> ReadAsync(
        this IChangesGrain changes, long after, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            var page = await changes.PageAsync(after, ChangePage.CountMax, ChangePage.WaitMax, cancellationToken);
            foreach (var change in page.Changes)
            {
                yield return change;
            }

            after = page.Next;
        }
    }
}
