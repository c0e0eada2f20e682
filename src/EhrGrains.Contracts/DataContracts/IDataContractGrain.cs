using EhrGrains.Contracts.Callers;

namespace EhrGrains.Contracts.DataContracts;

/// <summary>
/// Holds a data contract (what an app needs, as YAML text) against one tenant's site. A stateless worker: contracts are the operator's
/// files and are not kept. Key: <see cref="GrainKeys.Tenant"/>.
/// </summary>
[Alias("ehr.IDataContractGrain")]
public interface IDataContractGrain : IGrainWithStringKey
{
    /// <summary>
    /// What the site makes of a contract: by its vendor profile, its CapabilityStatement (one anonymous request) and the scopes that were
    /// granted (a token, as for a query). At a tenant that is not open, by the profile alone.
    /// </summary>
    /// <exception cref="ProblemException">Invalid: the contract, all that is wrong with it. NotFound: no such tenant.</exception>
    [Alias("Check"), Requires(Permission.Operate), ResponseTimeout("00:01:30")]
    Task<ContractCheck> CheckAsync(string contract, CancellationToken cancellationToken);

    /// <summary>
    /// Counts the contract's elements in what was copied of the tenant's patients. The answer holds counts alone; what is read for it is
    /// put on the audit trail before, by patient.
    /// </summary>
    /// <param name="contract">The contract.</param>
    /// <param name="patientsMax">How many patients to look at, 1–1,000.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ProblemException">Invalid: the contract or the number. NotFound: no such tenant. Conflict: no patient's copy is complete yet.</exception>
    [Alias("Cover"), Requires(Permission.Operate), ResponseTimeout("00:05:00")]
    Task<ContractCoverage> CoverAsync(string contract, int patientsMax, CancellationToken cancellationToken);
}
